// Any number of codes to images.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/codes.hpp"
#include "models/programs.hpp"
#include "models/run_directory.hpp"

namespace cuelbo {

// Codes as Hfvae::decode takes them, (items, code_size): samples, or means and the most probable classes as one-hot. A
// discrete group without a sample gives its most probable class. Error when dimensions or groups are not the model's.
enum class CodeValue { sample, mean };
std::vector<float> model_codes(const Codes& codes, const GroupTree& tree, CodeValue value);

class Decoder {
 public:
  static constexpr std::int64_t batch_size = 128;
  explicit Decoder(LoadedModel& loaded);

  // (n, code_size) → (n, H, W, C): probabilities or means.
  std::vector<float> operator()(std::span<const float> codes);

  const Hfvae& model() const { return *model_; }

 private:
  const Hfvae* model_;
  DecodeProgram program_;
};

}  // namespace cuelbo
