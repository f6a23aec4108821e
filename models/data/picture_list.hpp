// Which pictures of a folder are the data set: its classes and its test split, by the names of the folders in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/data/picture_folder.hpp"

namespace cuelbo {

struct PictureList {
  std::vector<std::filesystem::path> pictures;
  std::vector<std::string> classes;  // of each picture, or none
  std::int64_t test_size = 0;        // the last pictures are the data set's own test split
};

// Notes say what was chosen and ignored. Error: the meaning of the folders is not clear.
PictureList list_pictures(const PictureFolder& root, std::vector<std::string>& notes);

}  // namespace cuelbo
