#include "models/data/unsupported_formats.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <string_view>
#include <system_error>

#include "engine/error.hpp"
#include "engine/io/npz.hpp"
#include "models/data/folder_content.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr std::string_view save_array = "save the array with numpy.save",
                           save_column = "save its images as an array with numpy.save",
                           unpack = "unpack it and name the folder", convert = "convert it to PNG";

struct Format {
  std::string_view name, advice;
  std::string_view extensions;  // " .x .y "
  std::string_view magic;       // at `offset`; none: only the extension tells
  std::size_t offset = 0;
};

// The first one that fits counts.
constexpr std::array formats{
    Format{"a Parquet table", save_column, " .parquet ", "PAR1"},
    Format{"an Arrow file", save_column, " .arrow .feather ", "ARROW1"},
    Format{"an HDF5 file", save_array, " .h5 .hdf5 .hdf ", "\x89HDF\r\n\x1a\n"},
    Format{"a MATLAB file", save_array, " .mat ", "MATLAB 5.0"},
    Format{"a TFRecord file", save_column, " .tfrecord .tfrecords "},
    Format{"a table of text", "read it with numpy.loadtxt and save the array with numpy.save", " .csv .tsv "},
    Format{"a GIF", convert, " .gif ", "GIF8"},
    Format{"a WebP picture", convert, " .webp ", "WEBP", 8},
    Format{"a TIFF", convert, " .tif .tiff ", "II*\0"sv},
    Format{"a TIFF", convert, "", "MM\0*"sv},
    Format{"a BMP", convert, " .bmp "},
    Format{"a HEIC or AVIF picture, or a video", convert, " .heic .avif ", "ftyp", 4},
    Format{"a PyTorch file", save_array, " .pt .pth "},
    Format{"a pickle", save_array, " .pkl .pickle ", "\x80\x02"},
    Format{"a pickle", save_array, "", "\x80\x03"},
    Format{"a pickle", save_array, "", "\x80\x04"},
    Format{"a pickle", save_array, "", "\x80\x05"},
    Format{"a safetensors file", save_array, " .safetensors ", "{\"", 8},
    Format{"a Git LFS pointer and not the file itself", "fetch it with `git lfs pull`", "",
           "version https://git-lfs"},
    Format{"a web page", "download the file itself", " .html .htm ", "<!doctype html"},
    Format{"a web page", "download the file itself", "", "<html"},
    Format{"a tar archive", unpack, " .tar .tgz ", "ustar", 257},
    Format{"a zip archive", unpack, " .zip ", "PK\x03\x04"},
    Format{"a 7z archive", unpack, " .7z ", "7z\xbc\xaf\x27\x1c"},
    Format{"a RAR archive", unpack, " .rar ", "Rar!"},
    Format{"compressed by xz", "unpack it", " .xz ",
           "\xfd"
           "7zXZ"},
    Format{"compressed by bzip2", "unpack it", " .bz2 ", "BZh"},
    Format{"compressed by Zstandard", "unpack it", " .zst ", "\x28\xb5\x2f\xfd"}};

bool holds_arrays(const fs::path& path) {
  try {
    return !NpzReader(path).names().empty();
  } catch (const Error&) {
    return false;
  }
}

// Lines of printable text, the first with commas or tabs between numbers or names.
bool looks_like_table(std::string_view start) {
  const bool is_text = std::ranges::all_of(
      start, [](unsigned char c) { return c == '\n' || c == '\r' || c == '\t' || (c >= ' ' && c != 0x7f); });
  const std::string_view line = start.substr(0, start.find('\n'));
  return is_text && !line.empty() && (line.size() < start.size() || start.size() == format_bytes) &&
         line.find_first_of(",\t") != std::string_view::npos &&
         std::isalnum(static_cast<unsigned char>(line.front())) != 0;
}

std::string text_of(const Format& format) { return fmt::format("{}: {}", format.name, format.advice); }

}  // namespace

std::string unsupported_format(const fs::path& path) {
  std::error_code error;
  std::ifstream file(path, std::ios::binary);
  if (!fs::is_regular_file(path, error) || !file) return "";
  std::string start(format_bytes, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(file.gcount()));
  return unsupported_format(start, path);
}

std::string unsupported_format(std::string_view start, const fs::path& path) {
  const auto named = [](const fs::path& name) {
    const std::string extension = fmt::format(" {} ", lower_extension(name));
    return std::ranges::find_if(formats, [&](const Format& format) {
      return name.has_extension() && format.extensions.find(extension) != std::string_view::npos;
    });
  };
  const bool is_zip = start.starts_with("PK\x03\x04");
  if (is_zip && (lower_extension(path) == ".npz" || holds_arrays(path))) return "";
  if (is_zip && start.find("data.pkl") != std::string_view::npos) return text_of(*named("a.pt"));
  const auto by_name = named(lower_extension(path) == ".gz" ? path.stem() : path);
  if (by_name != formats.end() && by_name->magic.empty()) return text_of(*by_name);
  const auto by_content = std::ranges::find_if(formats, [&](const Format& format) {
    return !format.magic.empty() && start.size() > format.offset &&
           (start.substr(format.offset).starts_with(format.magic) ||
            (format.magic.starts_with('<') && lower_case(std::string(start)).starts_with(format.magic)));
  });
  if (by_content != formats.end()) return text_of(*by_content);
  if (looks_like_table(start)) return text_of(*named("a.csv"));
  return by_name != formats.end() ? text_of(*by_name) : "";
}

}  // namespace cuelbo
