// Formats that are not read, for messages.
#pragma once

#include <filesystem>
#include <string>

namespace cuelbo {

// "a PyTorch file: save the array with numpy.save", by the content of a regular file, else by its name. Empty if nothing
// is certain, or the file cannot be opened.
std::string unsupported_format(const std::filesystem::path& path);

}  // namespace cuelbo
