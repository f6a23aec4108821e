// Customary names for the arrays of a data set: x_train, train_images, yTest, …
#pragma once

#include <optional>
#include <string_view>

namespace cuelbo {

struct ArrayName {
  enum class Role { images, labels } role;
  enum class Part { whole, train, test, validation } part;

  friend bool operator==(const ArrayName&, const ArrayName&) = default;
};

// Case and separators make no difference: "X_train", "train-x" and "xTrain" are the same. But "tr" and "te" before
// another word need an end: "teX" and "te_x" are test images, "tex" is not. Nothing for a name with any
// word that is not about images, labels or parts.
std::optional<ArrayName> parse_array_name(std::string_view name);

}  // namespace cuelbo
