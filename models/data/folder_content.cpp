#include "models/data/folder_content.hpp"

#include <algorithm>
#include <cctype>
#include <system_error>

#include "engine/error.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name == "Thumbs.db" || name == "desktop.ini" || name == "__MACOSX" ||
         name == "@eaDir";  // thumbnails of a Synology disk
}

std::vector<fs::path> folder_entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    if (!is_hidden(entry->path())) entries.push_back(entry->path());
  if (error) fail("'{}': cannot read the folder: {}", folder.string(), error.message());
  std::ranges::sort(entries);
  return entries;
}

std::string folder_content(const fs::path& folder) {
  constexpr std::size_t most = 6;
  const auto entries = folder_entries(folder);
  if (entries.empty()) return "nothing";
  std::string text;
  for (std::size_t i = 0; i < std::min(entries.size(), most); ++i) {
    std::error_code error;
    text += fmt::format("{}{}{}", i == 0 ? "" : ", ", entries[i].filename().string(),
                        fs::is_directory(entries[i], error) ? "/" : "");
  }
  if (entries.size() > most) text += fmt::format(", … and {} more", entries.size() - most);
  return text;
}

std::string data_name(const fs::path& path) {
  if (path == standard_input) return input_name(path);
  fs::path normal = path.lexically_normal();
  if (!normal.has_filename()) normal = normal.parent_path();  // "data/"
  std::error_code error;
  if (normal == "." || normal == "..") normal = fs::weakly_canonical(normal, error);
  return (fs::is_directory(normal, error) ? normal.filename() : normal.stem()).string();
}

std::string lower_extension(const fs::path& path) { return lower_case(path.extension().string()); }

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace cuelbo
