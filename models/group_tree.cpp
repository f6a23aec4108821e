#include "models/group_tree.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>

#include <fmt/ranges.h>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"

namespace cuelbo {

GroupTree::GroupTree(const Spec& root) {
  add(root, -1);
  for (const GroupNode& node : nodes_) node_blocks_.push_back(add_block(node.block));
  for (std::int32_t d = 0; d < std::ssize(dims_); ++d)
    dim_blocks_.push_back(add_block({.dim_begin = d, .dim_end = d + 1, .group_begin = 0, .group_end = 0}));
}

int GroupTree::add(const Spec& spec, int parent) {
  const int index = static_cast<int>(nodes_.size());
  const auto dims_begin = static_cast<std::int32_t>(dims_.size());
  const auto groups_begin = static_cast<std::int32_t>(classes_.size());
  nodes_.push_back({.name = spec.children.empty() ? spec.leaf.name : spec.name, .parent = parent});
  if (spec.children.empty()) {
    dims_.insert(dims_.end(), spec.leaf.dims.begin(), spec.leaf.dims.end());
    if (spec.leaf.classes > 0) {
      classes_.push_back(static_cast<std::int32_t>(spec.leaf.classes));
      discrete_names_.push_back(spec.leaf.name);
    }
  }
  for (const Spec& child : spec.children) {
    const int added = add(child, index);
    nodes_[static_cast<std::size_t>(index)].children.push_back(added);
  }
  const auto groups_end = static_cast<std::int32_t>(classes_.size());
  const bool has_groups = groups_begin < groups_end;
  nodes_[static_cast<std::size_t>(index)].block = {.dim_begin = dims_begin,
                                                   .dim_end = static_cast<std::int32_t>(dims_.size()),
                                                   .group_begin = has_groups ? groups_begin : 0,
                                                   .group_end = has_groups ? groups_end : 0};
  return index;
}

int GroupTree::add_block(const kernels::DensityBlock& block) {
  const auto same = [&](const kernels::DensityBlock& other) {
    return other.dim_begin == block.dim_begin && other.dim_end == block.dim_end &&
           other.group_begin == block.group_begin && other.group_end == block.group_end;
  };
  const auto found = std::find_if(blocks_.begin(), blocks_.end(), same);
  if (found != blocks_.end()) return static_cast<int>(found - blocks_.begin());
  blocks_.push_back(block);
  return static_cast<int>(blocks_.size()) - 1;
}

std::int64_t GroupTree::total_classes() const {
  return std::accumulate(classes_.begin(), classes_.end(), std::int64_t{0});
}

bool GroupTree::dims_in_order() const {
  for (std::size_t d = 0; d < dims_.size(); ++d)
    if (dims_[d] != static_cast<std::int64_t>(d)) return false;
  return true;
}

namespace {

// Recursive descent over: list = item {"," item}; item = "(" list ")" | range | number | name.
class GroupParser {
 public:
  GroupParser(std::string_view text, std::int64_t dims, const std::vector<DiscreteGroup>& discrete)
      : text_(text),
        discrete_(discrete),
        dim_used_(static_cast<std::size_t>(dims)),
        group_used_(discrete.size()) {}

  GroupTree parse() {
    GroupTree::Spec root{.name = "root"};
    root.children = list();
    if (at_ < text_.size()) refuse("unexpected '{}'", text_.substr(at_, 1));
    for (std::size_t d = 0; d < dim_used_.size(); ++d)
      if (!dim_used_[d]) usage_fail("groups '{}': dimension {} is in no group", text_, d);
    for (std::size_t g = 0; g < group_used_.size(); ++g)
      if (!group_used_[g])
        usage_fail("groups '{}': discrete group '{}' is left out", text_, discrete_[g].name);
    return GroupTree(root);
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    usage_fail("groups '{}', position {}: {}", text_, at_ + 1,
               fmt::format(format, std::forward<Args>(args)...));
  }

  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  bool take(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    skip_spaces();
    return true;
  }

  std::vector<GroupTree::Spec> list() {
    std::vector<GroupTree::Spec> items;
    do items.push_back(item());
    while (take(','));
    return items;
  }

  GroupTree::Spec item() {
    skip_spaces();
    const std::size_t begin = at_;
    if (take('(')) {
      if (++depth_ > 64) refuse("brackets nest deeper than 64");
      GroupTree::Spec inner{.children = list()};
      --depth_;
      if (!take(')')) refuse("a closing bracket is missing");
      inner.name = std::string(text_.substr(begin, at_ - begin));
      return inner;
    }
    const std::size_t end = std::min(text_.find_first_of(",()", at_), text_.size());
    std::string_view word = text_.substr(at_, end - at_);
    while (word.ends_with(' ')) word.remove_suffix(1);
    if (word.empty()) refuse("a group is missing");
    GroupTree::Spec leaf{.leaf = {.name = std::string(word)}};
    if (word.find_first_not_of("0123456789-") == std::string_view::npos)
      range(word, leaf.leaf);
    else
      name(word, leaf.leaf);
    at_ = end;
    skip_spaces();
    return leaf;
  }

  void range(std::string_view word, GroupLeaf& leaf) {
    const std::size_t dash = word.find('-');
    const std::int64_t first = number(word.substr(0, dash));
    const std::int64_t last = dash == std::string_view::npos ? first : number(word.substr(dash + 1));
    if (last < first) refuse("'{}' runs backwards", word);
    for (std::int64_t d = first; d <= last; ++d) {
      if (d >= std::ssize(dim_used_))
        refuse("dimension {} does not exist: the codes have {}", d, dim_used_.size());
      if (dim_used_[static_cast<std::size_t>(d)]) refuse("dimension {} is in two groups", d);
      dim_used_[static_cast<std::size_t>(d)] = true;
      leaf.dims.push_back(d);
    }
  }

  void name(std::string_view word, GroupLeaf& leaf) {
    std::vector<std::string> names;
    for (std::size_t g = 0; g < discrete_.size(); ++g) {
      names.push_back(discrete_[g].name);
      if (discrete_[g].name != word) continue;
      if (group_used_[g]) refuse("discrete group '{}' is named twice", word);
      group_used_[g] = true;
      leaf.classes = discrete_[g].classes;
      return;
    }
    if (names.empty()) refuse("'{}' is not a discrete group: the codes have none", word);
    refuse("'{}' is not a discrete group{}; there is: {}", word, did_you_mean(word, names),
           fmt::join(names, ", "));
  }

  std::int64_t number(std::string_view digits) const {
    std::int64_t value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size())
      refuse("'{}' is not a dimension or a range like 0-4", digits);
    return value;
  }

  std::string_view text_;
  const std::vector<DiscreteGroup>& discrete_;
  std::vector<bool> dim_used_, group_used_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

GroupTree parse_groups(std::string_view text, std::int64_t dims, const std::vector<DiscreteGroup>& discrete) {
  return GroupParser(text, dims, discrete).parse();
}

}  // namespace cuelbo
