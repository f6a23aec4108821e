// This project's side of a comparison: computes one case, writes the results, then measures on request.
//
//   cuelbo_peer training CONFIG IMAGES RESULT STEPS [KEY=VALUE]…   training steps of a configuration on one batch
//   cuelbo_peer start CONFIG IMAGES [KEY=VALUE]…                   the same; answers as soon as one step is done
//   cuelbo_peer encode CONFIG INPUTS RESULT [KEY=VALUE]…           images to mean and logvar
//   cuelbo_peer decode CONFIG INPUTS RESULT [KEY=VALUE]…           codes to probabilities
//   cuelbo_peer decomposition GROUPS CODES RESULT THREADS          the ELBO decomposition alone, forward and backward
//   cuelbo_peer loader DATASET PATH RESULT BATCH_SIZE              shuffled batches of a data set (PATH may be "")
//   cuelbo_peer accepts CONFIG [KEY=VALUE]…                        exit code 0 if it is a configuration
//   cuelbo_peer build                                              commit, compiler and flags
//   cuelbo_peer fma_peak THREADS                                   nothing but multiply-adds: `flops` of them a call
//
// IMAGES has `images` (B, H, W, C); INPUTS also `codes` (B, D); CODES has `z`, `mean`, `logvar` (B, D) and `weight`
// (B, blocks). All are safetensors. RESULT gets, of
//   training        every initial parameter as `value.NAME`, its gradient in step 0 as `gradient.NAME`, and the
//                   `losses` of the first STEPS steps
//   encode, decode  the parameters; `mean` and `logvar`, or `picture`
//   decomposition   of the loss Σ weight · log q̂: `log_q`, `gradient.z`, `gradient.mean`, `gradient.logvar`
//   loader          `items` and `images` of the first batch
#include <iostream>

#include "bench/peak/fma_peak.hpp"
#include "bench/peers/modes.hpp"
#include "bench/peers/serve.hpp"
#include "engine/error.hpp"
#include "models/config.hpp"
#include "models/version.hpp"

namespace cuelbo {

namespace {

void run(const std::vector<std::string>& arguments) {
  const std::size_t count = arguments.size();
  const std::string mode = count == 0 ? "" : arguments[0];
  const auto overrides = [&](std::size_t first) {
    return std::vector<std::string>(arguments.begin() + static_cast<std::ptrdiff_t>(first), arguments.end());
  };
  if (mode == "training" && count >= 5) {
    peer_training(arguments[1], arguments[2], arguments[3], std::stoi(arguments[4]), overrides(5));
  } else if (mode == "start" && count >= 3) {
    peer_start(arguments[1], arguments[2], overrides(3));
  } else if (mode == "encode" && count >= 4) {
    peer_encode(arguments[1], arguments[2], arguments[3], overrides(4));
  } else if (mode == "decode" && count >= 4) {
    peer_decode(arguments[1], arguments[2], arguments[3], overrides(4));
  } else if (mode == "decomposition" && count == 5) {
    peer_decomposition(arguments[1], arguments[2], arguments[3], std::stoi(arguments[4]));
  } else if (mode == "loader" && count == 5) {
    peer_loader(arguments[1], arguments[2], arguments[3], std::stoi(arguments[4]));
  } else if (mode == "accepts" && count >= 2) {
    load_config(arguments[1], overrides(2));
  } else if (mode == "build" && count == 1) {
    answer({{"commit", build().commit}, {"compiler", build().compiler}, {"flags", build().flags}});
  } else if (mode == "fma_peak" && count == 2) {
    kernels::ThreadPool pool(std::stoi(arguments[1]));
    answer({{"flops", fma_work(pool)}});
    serve([&] { fma_work(pool); });
  } else {
    usage_fail("see the head of bench/peers/cuelbo_peer.cpp for the arguments");
  }
}

}  // namespace

}  // namespace cuelbo

int main(int argc, char** argv) {
  try {
    cuelbo::run({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "cuelbo_peer: " << e.what() << '\n';
    return dynamic_cast<const cuelbo::UsageError*>(&e) != nullptr ? 2 : 1;
  }
}
