// Floors and bounds, against tables that were computed by hand from the same data sheets.
#include "tools/lab/model/bounds.hpp"

#include <gmock/gmock.h>

#include "tests/support/error_checks.hpp"
#include "tools/lab/contract.hpp"

namespace cuelbo::test {
namespace {

using namespace lab;
using kernels::Cost;
using kernels::Precision;

Cost cost_of(const char* kernel, const std::string& shape) {
  const Contract& contract = find_contract(kernel);
  return contract.cost(contract.complete(parse_shape(shape)));
}

double microseconds(const char* gpu, const Cost& cost, Precision precision = Precision::fp32) {
  return 1e6 * floor(find_gpu(gpu), cost, precision).seconds();
}

// The convolutions of the usual encoder for 64×64 images, B = 1024, 4×4 windows of stride 2: 32, 32, 64, 64 channels. By
// hand: 32 · channels · channels · B · pixels of the small image operations, over 3.35, 2.04, 1.01 TB/s and 66.9, 19.5,
// 82.6 TFLOP/s in fp32, 0.63 · 495, 156, 82.6 in tf32, 0.63 · 989, 312, 165 in bf16; the larger of both quotients, in
// µs: of H100, A100 and RTX 4090 each fp32, tf32, bf16. bf16 has half the bytes, as if tensors were stored so.
struct Cell {
  const char *kernel, *shape;
  double megabytes;
  double h100[3], a100[3], rtx4090[3];
};

TEST(Floor, OfConvolutionsAndProductsIsTheTable) {
  const std::string conv2 = "batch=1024,large_height=32,large_width=32,large_channels=32,small_channels=32",
                    conv3 = "batch=1024,large_height=16,large_width=16,large_channels=32,small_channels=64",
                    conv4 = "batch=1024,large_height=8,large_width=8,large_channels=64,small_channels=64",
                    plain = ",bias=0,gradient_activation=0";
  const Cell cells[] = {
      {"conv2d_forward", "2", 169, {128, 50, 25}, {440, 83, 42}, {168, 168, 84}},
      {"conv2d_backward_data", "2", 172, {128, 51, 26}, {440, 84, 43}, {171, 171, 87}},
      {"conv2d_backward_weight", "2", 168, {128, 50, 25}, {440, 82, 41}, {167, 167, 83}},
      {"conv2d_forward", "3", 51, {64, 15, 7.7}, {220, 28, 14}, {52, 52, 26}},
      {"conv2d_backward_data", "3", 52, {64, 15, 7.7}, {220, 28, 14}, {52, 52, 26}},
      {"conv2d_backward_weight", "3", 51, {64, 15, 7.7}, {220, 28, 14}, {52, 52, 26}},
      {"conv2d_forward", "4", 21, {32, 6.9, 3.4}, {110, 14, 6.9}, {26, 26, 13}},
      {"conv2d_backward_weight", "4", 21, {32, 6.9, 3.4}, {110, 14, 6.9}, {26, 26, 13}},
      {"linear_backward_data",
       "rows=1024,in=1024,out=256,activation=0",
       6.3,
       {8, 1.9, 0.9},
       {28, 3.4, 1.7},
       {6.5, 6.5, 3.2}},
  };
  for (const Cell& cell : cells) {
    const std::string conv = cell.shape[0] == '2' ? conv2 : cell.shape[0] == '3' ? conv3 : conv4;
    const bool product = std::string(cell.kernel).starts_with("linear");
    const bool weight = std::string(cell.kernel).ends_with("weight");
    Cost cost = cost_of(cell.kernel, product ? cell.shape : weight ? conv : conv + plain);
    // The table counts a bit for each output's rectifier, up to 2 % of the bytes; contracts have none.
    EXPECT_NEAR(1e-6 * cost.bytes, cell.megabytes, 0.03 * cell.megabytes) << cell.kernel << cell.shape;
    for (const Precision p : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      const auto i = static_cast<std::size_t>(p);
      Cost stored = cost;
      if (p == Precision::bf16) stored.bytes /= 2;
      EXPECT_NEAR(microseconds("h100", stored, p), cell.h100[i], 0.05 * cell.h100[i]) << cell.kernel << i;
      EXPECT_NEAR(microseconds("a100", stored, p), cell.a100[i], 0.05 * cell.a100[i]) << cell.kernel << i;
      EXPECT_NEAR(microseconds("rtx4090", stored, p), cell.rtx4090[i], 0.05 * cell.rtx4090[i])
          << cell.kernel << i;
    }
  }
}

TEST(Floor, NamesWhatBindsIt) {
  const Cost conv = cost_of("conv2d_forward",
                            "batch=1024,large_height=32,large_width=32,large_channels=32,small_channels=32");
  const auto binds = [&](const char* gpu, Precision p) {
    return floor(find_gpu(gpu), conv, p).busiest().resource;
  };
  EXPECT_EQ(binds("h100", Precision::fp32), "fp32");
  EXPECT_EQ(binds("h100", Precision::tf32), "memory");
  EXPECT_EQ(binds("a100", Precision::fp32), "fp32");
  EXPECT_EQ(binds("rtx4090", Precision::fp32), "memory");
  EXPECT_NEAR(intensity(conv), 8.59e9 / 168e6, 0.5);  // figures of three digits
}

// B² · D exponentials, 16 a clock and multiprocessor: 132 at 1.98 GHz, 128 at 2.52. On an A100 additions take longer than
// exponentials, and of (8192, 64) a fortieth of the table's time is what joins the blocks.
TEST(Floor, OfTheDecompositionIsItsExponentials) {
  struct {
    const char* shape;
    double h100, rtx4090, tolerance;
  } const cells[] = {{"rows=128,dims=10,groups=5", 0.04, 0.03, 0.08},
                     {"rows=1024,dims=10,groups=5", 2.5, 2.0, 0.02},
                     {"rows=4096,dims=10,groups=5", 40, 33, 0.02},
                     {"rows=8192,dims=64,groups=8", 1058, 857, 0.04}};
  for (const auto& c : cells) {
    const Cost cost = cost_of("elbo_decomposition_forward", c.shape);
    EXPECT_NEAR(microseconds("h100", cost), c.h100, c.tolerance * c.h100) << c.shape;
    EXPECT_NEAR(microseconds("rtx4090", cost), c.rtx4090, c.tolerance * c.rtx4090) << c.shape;
    EXPECT_EQ(floor(find_gpu("h100"), cost, Precision::fp32).busiest().resource, "special functions");
  }
}

// 12 and 16 bytes an element against 3.35 TB/s, 28 of a parameter; 50 MB of a Bernoulli likelihood with gradient.
TEST(Floor, OfElementWiseKernelsIsMemory) {
  const Cost forward = cost_of("reparameterize_forward", "rows=65536,dims=64");
  EXPECT_NEAR(microseconds("h100", forward), 12.0 * 65536 * 64 / 3.35e6, 0.01);
  const Cost adam = cost_of("adam", "count=765784");
  EXPECT_NEAR(microseconds("h100", adam), 28.0 * 765784 / 3.35e6, 1e-6);
  EXPECT_NEAR(microseconds("a100", adam), 28.0 * 765784 / 2.039e6, 1e-6);
  EXPECT_NEAR(microseconds("rtx4090", adam), 28.0 * 765784 / 1.008e6, 1e-6);
  const Cost bernoulli = cost_of("bernoulli_forward", "rows=1024,pixels=4096");
  EXPECT_EQ(bernoulli.bytes, 4.0 * 3 * 1024 * 4096);  // logits, pixels and gradients
  EXPECT_NEAR(1e6 * bernoulli.special / find_gpu("h100").special_functions(), 3.0, 0.02);
}

TEST(Floor, CountsOperandsThatThereAre) {
  const double with = cost_of("conv2d_backward_data", "gradient_activation=1").bytes,
               without = cost_of("conv2d_backward_data", "gradient_activation=0").bytes;
  EXPECT_EQ(with - without, 4.0 * 64 * 32 * 32 * 32);
  EXPECT_EQ(cost_of("softmax_forward", "rows=10,classes=3,log_probabilities=0").bytes, 4 * 2 * 30);
  EXPECT_EQ(cost_of("softmax_forward", "rows=10,classes=3").bytes, 4 * 3 * 30);
}

// A kernel that reads 2²⁰ floats four times with 32 sectors a request, from 33 blocks.
TEST(Bound, NamesWhatKeepsAVariantFromTheFloor) {
  const Cost cost{.bytes = 4 << 20, .flops = 1 << 20};
  simt::Profile profile;
  profile.must_load = profile.loaded = 4 << 20;
  profile.lines.push_back({.bytes = 4, .requests = 1 << 17, .lanes = 1 << 22, .sectors = 1 << 22});
  const simt::Launch launch{.grid = {33, 1, 1}, .block = {256, 1, 1}};
  const Gpu& gpu = find_gpu("h100");
  const Bound b = bound(gpu, cost, Precision::fp32, profile, {&launch, 1});
  EXPECT_EQ(b.busiest().resource, "load/store units");
  EXPECT_DOUBLE_EQ(b.seconds(), (1 << 20) / (33 * gpu.clock));
  EXPECT_GT(b.seconds(), floor(gpu, cost, Precision::fp32).seconds());
  const simt::Launch many{.grid = {12, 11, 10}, .block = {256, 1, 1}};
  EXPECT_DOUBLE_EQ(bound(gpu, cost, Precision::fp32, profile, {&many, 1}).seconds(),
                   (1 << 20) / (132 * gpu.clock));
}

TEST(Bound, WideSharedAccessesCountForWhatTheyNeedAtLeast) {
  const Gpu& gpu = find_gpu("h100");
  for (const auto& [bytes, cycles] : {std::pair{4U, 4096}, std::pair{8U, 2048}, std::pair{16U, 2048}}) {
    simt::Profile profile;
    profile.lines.push_back({.shared = true, .bytes = bytes, .requests = 1024, .wavefronts = 4096});
    EXPECT_DOUBLE_EQ(bound(gpu, {}, Precision::fp32, profile, {}).seconds(), cycles / gpu.wavefronts())
        << bytes;
  }
}

TEST(Bound, IsTheFloorWhereNothingIsWasted) {
  const Cost cost{.bytes = 512 << 20, .flops = 1};
  simt::Profile profile;
  profile.must_load = profile.loaded = 256 << 20;
  profile.must_store = profile.stored = 256 << 20;
  profile.lines.push_back({.bytes = 16, .requests = 1 << 19, .lanes = 1 << 24, .sectors = 1 << 23});
  const simt::Launch launch{.grid = {10000, 1, 1}, .block = {256, 1, 1}};
  for (const Gpu& gpu : gpus())
    EXPECT_DOUBLE_EQ(bound(gpu, cost, Precision::fp32, profile, {&launch, 1}).seconds(),
                     floor(gpu, cost, Precision::fp32).seconds())
        << gpu.name;
}

TEST(Bound, AWorkspaceCountsAsFarAsTheCacheCannotHoldIt) {
  const Cost cost{.bytes = 1 << 20, .flops = 1};
  const Gpu& gpu = find_gpu("h100");
  simt::Profile profile;
  profile.must_load = 1 << 20;
  profile.must_store = 90'000'000;
  EXPECT_DOUBLE_EQ(bound(gpu, cost, Precision::fp32, profile, {}).terms[0].work, 1 << 20);
  profile.must_store = 900'000'000;
  EXPECT_DOUBLE_EQ(bound(gpu, cost, Precision::fp32, profile, {}).terms[0].work, (1 << 20) + 800e6);
}

TEST(Gpu, IsFoundByItsDriversNameOnly) {
  EXPECT_EQ(described_gpu("cuda:0 (NVIDIA H100 80GB HBM3, compute capability 9.0, 79 GiB)"),
            &find_gpu("h100"));
  EXPECT_EQ(described_gpu("cuda:1 (NVIDIA GeForce RTX 4090, compute capability 8.9, 24 GiB)"),
            &find_gpu("rtx4090"));
  for (const char* const other :
       {"cuda:0 (NVIDIA H100 PCIe, compute capability 9.0, 80 GiB)",
        "cuda:0 (NVIDIA A100-PCIE-40GB, compute capability 8.0, 40 GiB)",
        "cuda:0 (NVIDIA GeForce RTX 4090 Laptop GPU, compute capability 8.9, 16 GiB)", "simt-checked"})
    EXPECT_EQ(described_gpu(other), nullptr) << other;
}

TEST(Gpu, NamesAreChecked) {
  EXPECT_TRUE(fails_with<UsageError>([] { find_gpu("h10"); }, "there is h100, a100, rtx4090, rtx5090"));
  for (const Gpu& gpu : gpus()) {
    // Two operations a clock and lane: 128 lanes, 64 on an A100.
    const double lanes = gpu.fp32 / (2 * gpu.multiprocessors * gpu.clock);
    EXPECT_NEAR(lanes, gpu.name == "a100" ? 64 : 128, 1) << gpu.name;
    EXPECT_LE(gpu.block_shared_bytes + 1024, gpu.shared_bytes);
  }
}

}  // namespace
}  // namespace cuelbo::test
