#include "models/latent_names.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace cuelbo {

std::string dimension_name(const GroupTree& tree, int dim) {
  const auto leaf = std::ranges::find_if(tree.nodes(), [&](const GroupNode& node) {
    return node.is_leaf() && node.block.dim_begin <= dim && dim < node.block.dim_end;
  });
  return fmt::format("{}.{}", leaf->name, dim - leaf->block.dim_begin + 1);
}

}  // namespace cuelbo
