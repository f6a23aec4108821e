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

std::vector<std::string> column_names(const GroupTree& tree) {
  std::vector<std::string> names(tree.dims().size());
  for (std::size_t d = 0; d < names.size(); ++d)
    names[static_cast<std::size_t>(tree.dims()[d])] = dimension_name(tree, static_cast<int>(d));
  return names;
}

std::string column_summary(const GroupTree& tree) {
  std::string text;
  for (const GroupNode& node : tree.nodes()) {
    const auto [begin, end] = std::pair(node.block.dim_begin, node.block.dim_end);
    if (!node.is_leaf() || begin == end) continue;
    text += fmt::format("{}{}{} {}", text.empty() ? "" : ", ", begin,
                        end - begin == 1 ? "" : fmt::format("-{}", end - 1), node.name);
  }
  return text;
}

}  // namespace cuelbo
