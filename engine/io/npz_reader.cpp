#include <algorithm>

#include <zip.h>

#include "engine/closest_name.hpp"
#include "engine/io/npz.hpp"

namespace cuelbo {
namespace {

constexpr std::string_view suffix = ".npy";

struct CloseMember {
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using MemberFile = std::unique_ptr<zip_file_t, CloseMember>;

std::string open_failure(int code) {
  if (code == ZIP_ER_NOZIP) return "is not an npz archive, or a truncated one (no zip directory at its end)";
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  return fmt::format("the zip archive is damaged: {}", reason);
}

}  // namespace

struct NpzReader::Archive {
  std::filesystem::path path;
  zip_t* zip = nullptr;
  std::uint64_t file_bytes = 0;

  explicit Archive(std::filesystem::path p) : path(std::move(p)) {
    file_bytes = InputFile(path).size();
    int code = 0;
    zip = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code);
    if (zip == nullptr) throw Error(open_failure(code));
  }
  ~Archive() { zip_discard(zip); }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    const auto entries = static_cast<zip_uint64_t>(zip_get_num_entries(zip, 0));
    for (zip_uint64_t i = 0; i < entries; ++i) {
      const char* name = zip_get_name(zip, i, ZIP_FL_ENC_RAW);
      const std::string_view text = name == nullptr ? "" : name;
      if (text.ends_with(suffix)) found.emplace_back(text.substr(0, text.size() - suffix.size()));
    }
    std::ranges::sort(found);
    return found;
  }

  zip_int64_t locate(std::string_view name) const {
    return zip_name_locate(zip, fmt::format("{}{}", name, suffix).c_str(), ZIP_FL_ENC_RAW);
  }

  // Calls f(source, declared bytes) on an opened member.
  template <class F>
  auto with_member(std::string_view name, F&& f) const {
    return in_context(fmt::format("'{}'", path.string()), [&] {
      const zip_int64_t index = locate(name);
      if (index < 0) {
        const auto all = names();
        fail("has no array '{}'{}; it holds: {}", name, did_you_mean(name, all), fmt::join(all, ", "));
      }
      return in_context(fmt::format("array '{}'", name),
                        [&] { return read_entry(static_cast<zip_uint64_t>(index), f); });
    });
  }

  template <class F>
  auto read_entry(zip_uint64_t index, F&& f) const {
    zip_stat_t entry;
    if (zip_stat_index(zip, index, 0, &entry) != 0) fail("damaged zip entry: {}", zip_strerror(zip));
    if (entry.encryption_method != ZIP_EM_NONE) fail("is encrypted; only plain archives are read");
    if (entry.comp_size > file_bytes) fail("truncated: the zip entry is larger than the file");
    if (entry.comp_method == ZIP_CM_STORE) {
      if (entry.size != entry.comp_size) fail("damaged zip entry: a stored member with two sizes");
    } else if (entry.comp_method == ZIP_CM_DEFLATE) {
      check_deflate_ratio(entry.size, entry.comp_size);
    } else {
      fail("zip compression method {} is not supported; numpy.savez and savez_compressed write what is",
           static_cast<int>(entry.comp_method));
    }
    const MemberFile member(zip_fopen_index(zip, index, 0));
    if (!member) fail("damaged zip entry: {}", zip_strerror(zip));
    return f(
        [&member](std::span<std::byte> bytes) {
          const zip_int64_t got = zip_fread(member.get(), bytes.data(), bytes.size());
          if (got < 0) fail("damaged zip entry: {}", zip_error_strerror(zip_file_get_error(member.get())));
          return static_cast<std::size_t>(got);
        },
        entry.size);
  }
};

NpzReader::NpzReader(std::filesystem::path path) {
  const std::string context = fmt::format("'{}'", path.string());
  archive_ = in_context(context, [&] { return std::make_unique<Archive>(std::move(path)); });
}

NpzReader::~NpzReader() = default;
NpzReader::NpzReader(NpzReader&&) noexcept = default;
NpzReader& NpzReader::operator=(NpzReader&&) noexcept = default;

std::vector<std::string> NpzReader::names() const { return archive_->names(); }

bool NpzReader::contains(std::string_view name) const { return archive_->locate(name) >= 0; }

NpyHeader NpzReader::header(std::string_view name) const {
  return archive_->with_member(
      name, [](const ByteSource& source, std::uint64_t bytes) { return read_npy_header(source, bytes); });
}

Array NpzReader::read(std::string_view name) const {
  return archive_->with_member(name, [](const ByteSource& source, std::uint64_t bytes) {
    Array array = read_npy(source, bytes);
    std::byte end;
    if (source({&end, 1}) != 0)
      fail("damaged zip entry: longer than it declares");  // also makes libzip compare the CRC
    return array;
  });
}

std::map<std::string, Array> read_npz(const std::filesystem::path& path) {
  const NpzReader archive(path);
  std::map<std::string, Array> arrays;
  for (const std::string& name : archive.names()) arrays.emplace(name, archive.read(name));
  return arrays;
}

}  // namespace cuelbo
