// A configuration's model on its device, for images of a given shape.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/error.hpp"
#include "engine/io/safetensors.hpp"
#include "models/programs.hpp"

namespace cuelbo {

struct PeerModel {
  PeerModel(const std::string& config_path, const Array& images, const std::vector<std::string>& overrides)
      : config(load_config(config_path, overrides)),
        device(
            open_device({.name = config.device, .threads = config.threads, .precision = config.precision})),
        parameters(*device),
        batch_size(images.shape.at(0)),
        model(parameters, config, {images.shape.at(1), images.shape.at(2), images.shape.at(3)}) {}

  RunConfig config;
  std::unique_ptr<Device> device;
  ParameterSet parameters;
  std::int64_t batch_size;
  Hfvae model;
};

inline Array read_images(const std::string& path) {
  Array images = read_safetensors(path).tensor("images");
  if (images.rank() != 4)
    usage_fail("'{}': images have the shape {}, (B, H, W, C) is needed", path, shape_text(images.shape));
  return images;
}

inline double program_flops(const Program& program) {
  double flops = 0;
  for (const Program::Launch& launch : program.launches()) flops += launch.cost.operations();
  return flops;
}

}  // namespace cuelbo
