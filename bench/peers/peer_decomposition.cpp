#include "bench/peers/modes.hpp"
#include "bench/peers/peer_model.hpp"
#include "bench/peers/serve.hpp"

namespace cuelbo {

void peer_decomposition(const std::string& groups, const std::string& codes_path,
                        const std::string& result_path, int threads) {
  const Safetensors codes = read_safetensors(codes_path);
  const Shape shape = codes.tensor("z").shape;
  if (shape.size() != 2)
    usage_fail("'{}': z has the shape {}, (B, D) is needed", codes_path, shape_text(shape));
  const GroupTree tree = parse_groups(groups, shape[1], {});

  const auto device = open_device({.name = "cpu", .threads = threads});
  ParameterSet parameters(*device);
  Program program(*device, parameters);
  const auto input = [&](const char* name) { return program.input(name, shape, /*requires_gradient=*/true); };
  const Tensor z = input("z"), mean = input("mean"), logvar = input("logvar");
  const Tensor log_q = elbo_decomposition({.z = z, .mean = mean, .logvar = logvar}, tree.blocks(), {},
                                          mixture_weights(Estimator::hfvae, shape[0], peer_dataset_size));
  const Tensor weight = program.input("weight", log_q.shape());
  program.keep(log_q);
  const LossGradients gradients = program.gradients(sum(multiply(log_q, weight)));
  for (const Tensor x : {z, mean, logvar}) program.keep(gradients.of(x));
  program.plan();
  for (const Tensor x : {z, mean, logvar, weight}) program.write(x, codes.tensor(x.name()).as<float>());

  program.replay();
  Result result;
  result.add("log_q", log_q.shape(), program.read(log_q));
  for (const Tensor x : {z, mean, logvar})
    result.add("gradient." + x.name(), shape, program.read(gradients.of(x)));
  result.write(result_path);
  answer({{"device", device->description()},
          {"flops", program_flops(program)},
          {"arena_bytes", program.arena_bytes()}});
  serve([&] { program.replay(); });
}

}  // namespace cuelbo
