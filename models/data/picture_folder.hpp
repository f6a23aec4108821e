// A folder of pictures and the folders in it, before their names are given a meaning.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cuelbo {

struct PictureFolder {
  std::filesystem::path path;
  std::vector<std::filesystem::path> pictures;  // in the folder itself, sorted by name
  std::vector<PictureFolder> folders;  // those inside that hold pictures, themselves or below; sorted by name

  std::string name() const { return path.filename().string(); }
  bool empty() const { return pictures.empty() && folders.empty(); }

  // The only folder in a folder without pictures of its own, else null.
  const PictureFolder* only_folder() const {
    return pictures.empty() && folders.size() == 1 ? folders.data() : nullptr;
  }
};

// The part of a data set that a folder holds by its name: train, test_set, val2017, seg_pred, …
enum class FolderPart { none, train, test, validation, prediction };
FolderPart part_of(const std::string& folder);

// Notes what would be missed: pictures of other formats, "4 .webp", and a folder such as test without pictures.
// Error: a folder cannot be read.
PictureFolder scan_pictures(const std::filesystem::path& path, std::vector<std::string>& notes);

// Whether the extension is that of a picture, in a supported format or another one, which the error names.
bool has_picture_name(const std::filesystem::path& path);

}  // namespace cuelbo
