// Counts of what variants move, request and wait for when executed: they match the tiling (Kernel::moved_bytes), and
// show what sets each variant apart from the one before it.
#include <algorithm>
#include <map>
#include <ostream>

#include <gmock/gmock.h>

#include "tools/lab/profile.hpp"

namespace cuelbo::test {
namespace {

using simt::AccessProfile;
using simt::Profile;

// ---- figures of a profile

double moved_bytes(const Profile& p) { return static_cast<double>(p.loaded + p.stored); }
double stored_bytes(const Profile& p) { return static_cast<double>(p.stored); }

double sum_of(const Profile& p, bool shared, std::int64_t AccessProfile::* count) {
  double sum = 0;
  for (const AccessProfile& line : p.lines)
    if (line.shared == shared) sum += static_cast<double>(line.*count);
  return sum;
}
double global_requests(const Profile& p) { return sum_of(p, false, &AccessProfile::requests); }
double shared_wavefronts(const Profile& p) { return sum_of(p, true, &AccessProfile::wavefronts); }
// Least where all lanes of a warp load together.
double load_requests_of_a_lane(const Profile& p) {
  double requests = 0, lanes = 0;
  for (const AccessProfile& line : p.lines) {
    if (line.shared || line.kind != AccessProfile::Kind::load) continue;
    requests += static_cast<double>(line.requests);
    lanes += static_cast<double>(line.lanes);
  }
  return requests / lanes;
}

// ---- what is claimed

// The variant's figure is at most that of the one before it, divided by `gain`.
struct Step {
  const char *variant, *before;
  double (*figure)(const Profile&);
  double gain;
};

struct Ladder {
  const char* kernel;
  const char* shape;  // small, with rows of whole sectors
  std::vector<Step> steps;
  // Touch no sector in part, and no bank twice at once.
  std::vector<const char*> clean;
};

std::ostream& operator<<(std::ostream& out, const Ladder& ladder) { return out << ladder.kernel; }

// Products: shared memory saves reading factors again; registers save reading shared memory; tensor cores take larger
// fragments from it, bf16 half as large ones.
std::vector<Step> product_steps(const char* first, double tiles_save, const char* best) {
  return {{"tiled", first, moved_bytes, tiles_save},
          {best, "tiled", shared_wavefronts, 4.5},
          {"tensor_tf32", best, shared_wavefronts, 3.9},
          {"tensor_bf16", "tensor_tf32", shared_wavefronts, 1.8}};
}

constexpr const char *linear_shape = "rows=64,in=128,out=128",
                     *conv2d_shape = "batch=2,large_height=16,large_width=16";

const std::vector<Ladder> ladders{
    {"linear_forward",
     linear_shape,
     product_steps("naive", 60, "register_tiled"),
     {"tiled", "register_tiled", "tensor_tf32", "tensor_bf16"}},
    {"linear_backward_data",
     linear_shape,
     product_steps("naive", 9, "register_tiled"),
     {"tiled", "register_tiled", "tensor_tf32", "tensor_bf16"}},
    {"linear_backward_weight",
     linear_shape,
     product_steps("naive", 8, "register_tiled"),
     {"tiled", "register_tiled", "tensor_tf32", "tensor_bf16"}},
    {"conv2d_forward",
     conv2d_shape,
     product_steps("direct", 60, "implicit_gemm"),
     {"tiled", "implicit_gemm", "tensor_tf32", "tensor_bf16"}},
    {"conv2d_backward_data",
     conv2d_shape,
     product_steps("direct", 8, "implicit_gemm"),
     {"tiled", "implicit_gemm", "tensor_tf32", "tensor_bf16"}},
    {"conv2d_backward_weight",
     conv2d_shape,
     {{"implicit_gemm", "direct", moved_bytes, 14},
      {"tensor_tf32", "implicit_gemm", shared_wavefronts, 3.9},
      {"tensor_bf16", "tensor_tf32", shared_wavefronts, 1.8}},
     {"implicit_gemm", "tensor_tf32", "tensor_bf16"}},
    {"reparameterize_forward",
     "rows=256,dims=16,stride=32",
     {{"noise_buffer", "scalar", global_requests, 2}, {"philox4", "noise_buffer", moved_bytes, 1.6}},
     {"noise_buffer", "philox4"}},
    {"reparameterize_backward",
     "rows=256,dims=16,stride=32",
     {{"philox4", "scalar", global_requests, 3.9}},
     {"philox4"}},
    {"elbo_decomposition_forward",
     "rows=64,dims=8",
     {{"thread", "pairwise", stored_bytes, 40},
      {"block", "thread", load_requests_of_a_lane, 3.6},
      {"tiled", "block", moved_bytes, 50},
      {"mma", "tiled", shared_wavefronts, 1.9}},
     {"tiled"}},
    {"elbo_decomposition_backward",
     "rows=64,dims=8",
     {{"thread", "pairwise", stored_bytes, 40},
      {"block", "thread", load_requests_of_a_lane, 2},
      {"tiled", "block", moved_bytes, 70}},
     {"tiled"}},
};

// ---- the tests

const DeviceModule& module() { return load_device_module("simt-checked"); }

std::vector<KernelVariant> own_variants(const Ladder& ladder) {
  std::vector<KernelVariant> own;
  for (KernelVariant& v : module().variants())
    if (v.kernel == ladder.kernel && v.library.empty()) own.push_back(std::move(v));
  return own;
}
lab::Shape complete_shape(const Ladder& ladder) {
  return lab::find_contract(ladder.kernel).complete(lab::parse_shape(ladder.shape));
}

class KernelFigures : public ::testing::TestWithParam<Ladder> {};

TEST_P(KernelFigures, AreWhatTheTilingSays) {
  const Ladder& ladder = GetParam();
  const lab::Contract& contract = lab::find_contract(ladder.kernel);
  const lab::Shape shape = complete_shape(ladder);
  const std::vector<KernelVariant> variants = own_variants(ladder);
  std::map<std::string, Profile> profiles;
  const std::unique_ptr<Device> device = module().open(0, {.name = "simt-checked"});
  for (const KernelVariant& v : variants)
    profiles[v.name] = lab::profile_variant(v, shape, 1, module(), *device);

  for (const auto& [variant, profile] : profiles) {
    const auto said = contract.moved_bytes(*module().table(ladder.kernel, variant), shape);
    ASSERT_TRUE(said.has_value()) << variant << " says nothing";
    EXPECT_NEAR(moved_bytes(profile), static_cast<double>(*said), 0.05 * static_cast<double>(*said))
        << variant;
  }
  for (const char* variant : ladder.clean)
    for (const AccessProfile& line : profiles.at(variant).lines) {
      EXPECT_EQ(line.sectors, line.ideal_sectors) << variant << ", " << line.file << ":" << line.line;
      EXPECT_EQ(line.wavefronts, line.ideal_wavefronts) << variant << ", " << line.file << ":" << line.line;
    }
  for (const Step& step : ladder.steps)
    EXPECT_LE(step.figure(profiles.at(step.variant)) * step.gain, step.figure(profiles.at(step.before)))
        << step.variant << " after " << step.before;
  for (const KernelVariant& v : variants)  // each but the first has its step
    EXPECT_TRUE(v.name == variants.front().name ||
                std::ranges::any_of(ladder.steps, [&](const Step& s) { return v.name == s.variant; }))
        << v.name;
}

INSTANTIATE_TEST_SUITE_P(Ladders, KernelFigures, ::testing::ValuesIn(ladders),
                         [](const auto& test) { return std::string(test.param.kernel); });

// Rows as an encoder leaves them: ten means and ten log-variances side by side. Neither come in packs.
TEST(Reparameterize, MovesLittleMoreThanItMustWhereRowsAreNoPacks) {
  const std::unique_ptr<Device> device = module().open(0, {.name = "simt-checked"});
  for (const char* kernel : {"reparameterize_forward", "reparameterize_backward"}) {
    const lab::Shape shape =
        lab::find_contract(kernel).complete({{"rows", 256}, {"dims", 10}, {"stride", 20}});
    const Profile p =
        lab::profile_variant({.kernel = kernel, .name = "philox4"}, shape, 1, module(), *device);
    EXPECT_LE(moved_bytes(p), 1.15 * static_cast<double>(p.must_load + p.must_store)) << kernel;
  }
}

}  // namespace
}  // namespace cuelbo::test
