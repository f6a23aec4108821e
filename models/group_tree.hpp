// Latent groups form a tree: the root is all latents, leaves are groups of Gaussian dimensions or one discrete variable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/elbo_decomposition/elbo_decomposition.hpp"

namespace cuelbo {

struct GroupNode {
  std::string name;  // "root", the group's name, or its text in a specification
  int parent = -1;
  std::vector<int> children;  // of inner nodes; a leaf has none
  kernels::DensityBlock block;
  bool is_leaf() const { return children.empty(); }
  bool is_discrete_leaf() const { return is_leaf() && block.dim_begin == block.dim_end; }
};

// A leaf of the tree as it is declared.
struct GroupLeaf {
  std::string name;
  std::vector<std::int64_t> dims;  // columns of the codes, or
  std::int64_t classes = 0;        // the classes of a discrete variable
};

// Nodes in depth-first order, the root first, so that each covers a contiguous range of dims() and of discrete().
class GroupTree {
 public:
  struct Spec {  // an inner node when it has children, else a leaf
    GroupLeaf leaf;
    std::string name;
    std::vector<Spec> children;
  };
  explicit GroupTree(const Spec& root);

  const std::vector<GroupNode>& nodes() const { return nodes_; }
  const std::vector<std::int64_t>& dims() const { return dims_; }  // column of the codes, by tree dimension
  const std::vector<std::string>& discrete_names() const { return discrete_names_; }
  const std::vector<std::int32_t>& classes() const { return classes_; }  // of each discrete group
  std::int64_t total_classes() const;
  bool dims_in_order() const;  // dims() is 0, 1, 2, …

  // The distinct blocks of the nodes and of the single dimensions, and where to find each.
  const std::vector<kernels::DensityBlock>& blocks() const { return blocks_; }
  int block_of_node(int node) const { return node_blocks_.at(static_cast<std::size_t>(node)); }
  int block_of_dim(int dim) const { return dim_blocks_.at(static_cast<std::size_t>(dim)); }

 private:
  int add(const Spec& spec, int parent);
  int add_block(const kernels::DensityBlock& block);
  std::vector<GroupNode> nodes_;
  std::vector<std::int64_t> dims_;
  std::vector<std::string> discrete_names_;
  std::vector<std::int32_t> classes_;
  std::vector<kernels::DensityBlock> blocks_;
  std::vector<int> node_blocks_, dim_blocks_;
};

// "0-4,5-9,class": comma-separated groups; a-b or a single number are Gaussian dimensions, anything else names one of the
// discrete groups; brackets nest: "(0-4,5-9),class". `dims` is the number of Gaussian columns. Throws UsageError: a
// dimension named twice or left out, out of range, an unknown group, unbalanced brackets, each with its position.
struct DiscreteGroup {
  std::string name;
  std::int64_t classes = 0;
};
GroupTree parse_groups(std::string_view text, std::int64_t dims, const std::vector<DiscreteGroup>& discrete);

}  // namespace cuelbo
