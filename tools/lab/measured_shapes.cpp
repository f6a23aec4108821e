#include <string_view>

#include "engine/error.hpp"
#include "tools/lab/measure.hpp"

namespace cuelbo::lab {

namespace {

struct Measured {
  std::string_view kernels;  // names that begin with this
  std::vector<const char*> shapes;
};

// The first entry that fits counts.
const std::vector<Measured>& table() {
  static const std::vector<const char*> elements{"count=4194304"}, rows{"rows=65536,columns=64"},
      classes{"rows=65536,classes=10"}, latents{"rows=1024,dims=10", "rows=65536,dims=64"},
      channels{"rows=65536,channels=64"}, images{"rows=1024,pixels=4096"};
  static const std::vector<Measured> all{
      {"linear", {"rows=128,in=784,out=400", "rows=1024,in=1024,out=256"}},
      {"conv2d",
       {"batch=256,large_height=64,large_width=64,large_channels=1,small_channels=32",
        "batch=256,large_height=32,large_width=32,large_channels=32,small_channels=32",
        "batch=256,large_height=16,large_width=16,large_channels=32,small_channels=64"}},
      {"bias", {"rows=262144,channels=32"}},
      {"activation", elements},
      {"softmax", classes},
      {"batch_norm", channels},
      {"bernoulli", images},
      {"gaussian_likelihood", images},
      {"gaussian_density", elements},
      {"reparameterize", latents},
      {"concrete", classes},
      {"elbo_decomposition",
       {"rows=128,dims=10,groups=5", "rows=1024,dims=10,groups=5", "rows=1024,dims=64,groups=8"}},
      {"sum_of_squares", elements},
      {"sum_", rows},
      {"broadcast_", rows},
      {"scale_rows", {"rows=1024,columns=4096"}},
      {"copy_columns", rows},
      {"adam", {"count=765784", "count=4194304"}},
      {"", elements},
  };
  return all;
}

}  // namespace

std::vector<Shape> measured_shapes(const Contract& contract) {
  for (const Measured& entry : table()) {
    if (!contract.name().starts_with(entry.kernels)) continue;
    std::vector<Shape> shapes;
    for (const char* const text : entry.shapes) shapes.push_back(contract.complete(parse_shape(text)));
    return shapes;
  }
  fail("no shape to measure {} with", contract.name());
}

std::string counted_shape(const Contract& contract) {
  const std::string_view kernel = contract.name();
  if (kernel.starts_with("linear")) return "rows=256,in=256,out=256";
  if (kernel.starts_with("conv2d"))
    return "batch=4,large_height=32,large_width=32,large_channels=32,small_channels=32";
  if (kernel.starts_with("elbo_decomposition")) return "rows=256,dims=10,groups=5";
  if (kernel.starts_with("reparameterize")) return "rows=1024,dims=64";
  if (kernel.starts_with("sum_columns")) return "rows=1024,columns=256";
  const Shape sizes = contract.complete({});
  return sizes.contains("count") ? "count=262144" : "";
}

}  // namespace cuelbo::lab
