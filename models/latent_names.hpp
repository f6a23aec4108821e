// Names of single latent dimensions, for people: logs, tables, files.
#pragma once

#include <string>
#include <vector>

#include "models/group_tree.hpp"

namespace cuelbo {

// "form.4": the fourth dimension of the group form. `dim` is a tree dimension.
std::string dimension_name(const GroupTree& tree, int dim);

// The names of the columns of codes, in their order.
std::vector<std::string> column_names(const GroupTree& tree);

// "0-4 position, 5 form": the columns of each group, in their order.
std::string column_summary(const GroupTree& tree);

}  // namespace cuelbo
