// The pictures of a run: what traverse writes and report shows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/pictures.hpp"
#include "tools/open_run.hpp"

namespace cuelbo {

struct Traversal {
  LatentAxis axis;
  Tiles tiles;
};

struct ClassGrid {
  LatentAxis group, dim;
  std::vector<Tiles> rows;  // one per class
};

struct Gallery {
  const char* split = "test";         // "training" if there is no test split
  std::int64_t coded_items = 0;       // items that KL values are a mean over
  std::vector<LatentAxis> axes;       // in tree order
  Tiles inputs, reconstructions;      // of some items of the split
  Tiles samples;                      // of the prior
  Tiles start;                        // the image whose code the traversals move
  std::vector<Traversal> traversals;  // sorted by KL
  std::vector<ClassGrid>
      class_grids;  // the discrete group of largest KL with the strongest dimension of every group
};

// `item` of the test split (of the training data, with a note, when there is none) gives the code that the traversals start from.
// UsageError when it does not exist.
Gallery make_gallery(OpenRun& run, const RunData& data, std::int64_t item = 0);

Image traversal_grid(const Gallery& gallery);

}  // namespace cuelbo
