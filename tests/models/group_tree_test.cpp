#include "models/group_tree.hpp"

#include <gtest/gtest.h>

#include "models/hfvae.hpp"
#include "tests/support/error_checks.hpp"

namespace cuelbo {
namespace {

using test::fails_with;

const std::vector<DiscreteGroup> digit{{.name = "digit", .classes = 10}};

TEST(GroupTree, flat_groups) {
  const GroupTree tree = parse_groups("0-4, 5-9,digit", 10, digit);
  ASSERT_EQ(tree.nodes().size(), 4U);
  EXPECT_EQ(tree.nodes()[0].children, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(tree.nodes()[0].block.dim_end, 10);
  EXPECT_EQ(tree.nodes()[0].block.group_end, 1);
  EXPECT_EQ(tree.nodes()[2].block.dim_begin, 5);
  EXPECT_TRUE(tree.nodes()[3].is_discrete_leaf());
  EXPECT_FALSE(tree.nodes()[1].is_discrete_leaf());
  EXPECT_EQ(tree.total_classes(), 10);
  EXPECT_TRUE(tree.dims_in_order());
}

TEST(GroupTree, nested_groups_cover_contiguous_ranges_whatever_the_order) {
  const GroupTree tree = parse_groups("(6-9,(0,2-3)),digit,(1,4-5)", 10, digit);
  EXPECT_EQ(tree.dims(), (std::vector<std::int64_t>{6, 7, 8, 9, 0, 2, 3, 1, 4, 5}));
  EXPECT_FALSE(tree.dims_in_order());
  std::vector<int> covered(10, 0);
  for (const GroupNode& node : tree.nodes()) {
    for (const int child : node.children) {
      const auto& inner = tree.nodes()[static_cast<std::size_t>(child)].block;
      if (inner.dim_begin < inner.dim_end) {
        EXPECT_LE(node.block.dim_begin, inner.dim_begin);
        EXPECT_GE(node.block.dim_end, inner.dim_end);
      }
    }
    if (node.is_leaf())
      for (int d = node.block.dim_begin; d < node.block.dim_end; ++d) ++covered[static_cast<std::size_t>(d)];
  }
  EXPECT_EQ(covered, std::vector<int>(10, 1));
}

TEST(GroupTree, equal_blocks_are_computed_once) {
  const GroupTree tree = parse_groups("0,1,2", 3, {});
  EXPECT_EQ(tree.blocks().size(), 4U);  // the joint and three dimensions, which are groups too
  EXPECT_EQ(tree.block_of_node(2), tree.block_of_dim(1));
}

TEST(GroupTree, bad_specifications_are_refused_with_their_position) {
  const auto parse = [](std::string_view text) { return [text] { parse_groups(text, 4, digit); }; };
  EXPECT_TRUE(fails_with<UsageError>(parse("0-4,digit"), "dimension 4 does not exist"));
  EXPECT_TRUE(fails_with<UsageError>(parse("0-2,2-3,digit"), "dimension 2 is in two groups"));
  EXPECT_TRUE(fails_with<UsageError>(parse("0-2,digit"), "dimension 3 is in no group"));
  EXPECT_TRUE(fails_with<UsageError>(parse("0-3"), "'digit' is left out"));
  EXPECT_TRUE(fails_with<UsageError>(parse("0-3,digits"), "did you mean 'digit'?"));
  EXPECT_TRUE(fails_with<UsageError>(parse("0-3,digit,digit"), "named twice"));
  EXPECT_TRUE(fails_with<UsageError>(parse("(0-3,digit"), "closing bracket is missing"));
  EXPECT_TRUE(fails_with<UsageError>(parse("0-3,digit)"), "position 10"));
  EXPECT_TRUE(fails_with<UsageError>(parse("3-0,digit"), "runs backwards"));
  EXPECT_TRUE(fails_with<UsageError>(parse("0-3,,digit"), "a group is missing"));
  EXPECT_TRUE(fails_with<UsageError>(parse(""), "a group is missing"));
  EXPECT_TRUE(fails_with<UsageError>(parse("0-3-4,digit"), "is not a dimension"));
  EXPECT_TRUE(fails_with<UsageError>(parse("99999999999999999999,digit"), "is not a dimension"));
}

TEST(GroupTree, latents_of_a_config_are_numbered_in_tree_order) {
  const GroupTree tree = latent_tree({{.name = "a", .gaussian = 2, .inside = "outer"},
                                      {.name = "b", .gaussian = 1},
                                      {.name = "c", .gaussian = 3, .inside = "outer"},
                                      {.name = "d", .discrete = 5}});
  EXPECT_TRUE(tree.dims_in_order());
  ASSERT_EQ(tree.nodes().size(), 6U);
  EXPECT_EQ(tree.nodes()[1].name, "outer");
  EXPECT_EQ(tree.nodes()[1].block.dim_end, 5);
  EXPECT_EQ(tree.nodes()[4].name, "b");
  EXPECT_EQ(tree.nodes()[4].block.dim_begin, 5);
}

}  // namespace
}  // namespace cuelbo
