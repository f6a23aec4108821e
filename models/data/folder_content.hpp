// Names of data files, and the contents of their folders.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cuelbo {

// Files that operating systems leave behind: .DS_Store, ._x.png, Thumbs.db, __MACOSX, …
bool is_hidden(const std::filesystem::path& path);

// Everything in the folder that is not hidden, sorted by name. Error: it cannot be read, "'folder': …".
std::vector<std::filesystem::path> folder_entries(const std::filesystem::path& folder);

// For messages: "a.txt, b.png, sub/", "a.txt, … and 12 more" or "nothing".
std::string folder_content(const std::filesystem::path& folder);

// The name of a data set at that path: the name of the folder, or of the file without its extension.
std::string data_name(const std::filesystem::path& path);

// The extension in lower case: ".png".
std::string lower_extension(const std::filesystem::path& path);

// Of ASCII letters.
std::string lower_case(std::string text);

}  // namespace cuelbo
