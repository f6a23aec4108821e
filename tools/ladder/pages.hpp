// Ladders as pages, for readers who are new to CUDA.
#pragma once

#include <span>
#include <vector>

#include "tools/ladder/document.hpp"
#include "tools/ladder/ladder.hpp"

namespace cuelbo::ladder {

// An index, which explains the words, and a page for each ladder.
std::vector<Page> make_pages(std::span<const Ladder> ladders, const lab::Gpu& gpu);

}  // namespace cuelbo::ladder
