// Formats that are not read, for messages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace cuelbo {

// "a PyTorch file: save the array with numpy.save", by the content of a regular file, else by its name. Empty if nothing
// is certain, or the file cannot be opened.
std::string unsupported_format(const std::filesystem::path& path);

// The same for the first bytes of a pipe, up to `format_bytes` of them.
inline constexpr std::size_t format_bytes = 1024;
std::string unsupported_format(std::string_view start, const std::filesystem::path& path);

}  // namespace cuelbo
