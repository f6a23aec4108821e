#include "models/data/picture_folder.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <system_error>

#include "engine/error.hpp"
#include "models/data/array_names.hpp"
#include "models/data/folder_content.hpp"
#include "models/run_lock.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> picture_extensions{".png", ".jpg", ".jpeg", ".jpe", ".jfif"};
constexpr std::array<std::string_view, 9> other_extensions{".bmp", ".gif", ".tif",  ".tiff", ".webp",
                                                           ".ppm", ".pgm", ".heic", ".avif"};
constexpr std::array<std::string_view, 4> table_extensions{".csv", ".tsv", ".json", ".xml"};

// An unreadable folder such as lost+found only gets a note, unless it is a part of the data: then it is an error.
std::vector<fs::path> readable_entries(const fs::path& folder, std::vector<std::string>& notes) {
  try {
    return folder_entries(folder);
  } catch (const Error& unreadable) {
    if (part_of(folder.filename().string()) != FolderPart::none) throw;
    notes.push_back(fmt::format("skips {}", unreadable.what()));
    return {};
  }
}

// A data folder may hold runs, or be a run directory itself.
bool is_made_by_run(const fs::path& entry) {
  if (entry.filename() != "pictures") return false;
  const fs::path run = entry.parent_path();
  std::error_code error;
  return fs::exists(run / RunLock::file_name, error) ||
         (fs::exists(run / "config.toml", error) && fs::is_directory(run / "checkpoint", error));
}

// `above` are the folders that lead to this one, without links: one that leads back to them is not followed.
PictureFolder scan(const fs::path& path, std::vector<std::string>& notes, std::vector<fs::path> above = {}) {
  constexpr std::size_t deepest = 8;
  PictureFolder folder{.path = path, .pictures = {}, .folders = {}};
  std::error_code unknown;
  above.push_back(fs::canonical(path, unknown));
  std::map<std::string, int> others;
  for (const fs::path& entry : readable_entries(path, notes)) {
    std::error_code error;
    const std::string extension = lower_extension(entry);
    const bool is_picture = std::ranges::find(picture_extensions, extension) != picture_extensions.end();
    if (fs::is_symlink(entry, error) && !fs::exists(entry, error)) {
      const std::string text = fmt::format("'{}': it links to '{}', which is not there", entry.string(),
                                           fs::read_symlink(entry, error).string());
      if (is_picture || part_of(entry.filename().string()) != FolderPart::none) fail("{}", text);
      notes.push_back("skips " + text);
    } else if (fs::is_directory(entry, error)) {
      if (std::ranges::find(above, fs::canonical(entry, error)) != above.end()) {
        notes.push_back(fmt::format("skips '{}': it leads back to a folder around it", entry.string()));
        continue;
      }
      if (above.size() > deepest) {
        notes.push_back(fmt::format("skips '{}': it is {} folders deep", entry.string(), above.size()));
        continue;
      }
      if (is_made_by_run(entry)) {
        notes.push_back(fmt::format("skips '{}': `cuelbo report` made it", entry.string()));
        continue;
      }
      PictureFolder inner = scan(entry, notes, above);
      if (!inner.empty())
        folder.folders.push_back(std::move(inner));
      else if (part_of(inner.name()) != FolderPart::none)
        notes.push_back(
            fmt::format("ignores '{}': there is no .png, .jpg or .jpeg file in it", entry.string()));
    } else if (is_picture) {
      folder.pictures.push_back(entry);
    } else if (std::ranges::find(other_extensions, extension) != other_extensions.end()) {
      ++others[extension];
    } else if (std::ranges::find(table_extensions, extension) != table_extensions.end()) {
      notes.push_back(fmt::format("ignores '{}': classes are taken from folders", entry.string()));
    }
  }
  for (const auto& [extension, count] : others)
    notes.push_back(
        fmt::format("ignores {} {} in '{}': PNG and JPEG are read", count, extension, path.string()));
  return folder;
}

}  // namespace

FolderPart part_of(const std::string& folder) {
  std::string name = lower_case(folder);
  const std::size_t letters = name.find_last_not_of("0123456789") + 1;
  if (letters > 2) name.resize(letters);
  if (name == "seg_pred") return FolderPart::prediction;
  if (name.starts_with("seg_")) name.erase(0, 4);
  if (name.ends_with("set") && name.size() > 3) name.erase(name.size() - 3);
  const auto parsed = parse_array_name(name);
  if (!parsed) return FolderPart::none;
  switch (parsed->part) {
    case ArrayName::Part::train: return FolderPart::train;
    case ArrayName::Part::test: return FolderPart::test;
    case ArrayName::Part::validation: return FolderPart::validation;
    case ArrayName::Part::whole: return FolderPart::none;
  }
  return FolderPart::none;
}

PictureFolder scan_pictures(const fs::path& path, std::vector<std::string>& notes) {
  return scan(path, notes);
}

bool has_picture_name(const fs::path& path) {
  const std::string extension = lower_extension(path);
  return std::ranges::find(picture_extensions, extension) != picture_extensions.end() ||
         std::ranges::find(other_extensions, extension) != other_extensions.end();
}

}  // namespace cuelbo
