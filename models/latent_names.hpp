// Names of single latent dimensions, for people: logs, tables, files.
#pragma once

#include <string>

#include "models/group_tree.hpp"

namespace cuelbo {

// "form.4": the fourth dimension of the group form. `dim` is a tree dimension.
std::string dimension_name(const GroupTree& tree, int dim);

}  // namespace cuelbo
