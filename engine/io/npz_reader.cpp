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

struct DiscardArchive {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};

std::string open_failure(int code) {
  if (code == ZIP_ER_NOZIP) return "is not an npz archive, or a truncated one (no zip directory at its end)";
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  return fmt::format("the zip archive is damaged: {}", reason);
}

// Reading the end makes libzip compare the CRC.
void check_end(const ByteSource& source) {
  std::byte end;
  if (source({&end, 1}) != 0) fail("damaged zip entry: longer than it declares");
}

}  // namespace

bool starts_like_zip(InputFile& file) {
  const auto start = file.peek(2);
  return start.size() == 2 && start[0] == std::byte{'P'} && start[1] == std::byte{'K'};
}

struct NpzReader::Archive {
  std::string name;                // in front of messages, if not empty
  std::vector<std::byte> content;  // of a pipe
  std::uint64_t file_bytes = 0;
  std::unique_ptr<zip_t, DiscardArchive> zip;

  explicit Archive(InputFile& file) {
    if (file.reopens()) {
      file_bytes = *file.size();
      open([&](int flags, int& code) { return zip_open(file.path().c_str(), flags, &code); });
    } else {
      if (!starts_like_zip(file)) throw Error(open_failure(ZIP_ER_NOZIP));  // before an endless pipe is read
      content = file.read_all();
      file_bytes = content.size();
      open([&](int flags, int& code) { return open_content(flags, code); });
    }
    check_unique();
  }

  template <class Open>
  void open(Open&& open_with) {
    int code = 0;
    zip.reset(open_with(ZIP_RDONLY | ZIP_CHECKCONS, code));
    if (zip) return;
    const std::string reason = open_failure(code);
    zip.reset(open_with(ZIP_RDONLY, code));  // libzip does not name duplicate entries
    if (zip) check_unique();
    throw Error(reason);
  }

  void check_unique() const {
    const auto sorted = names();
    const auto twice = std::ranges::adjacent_find(sorted);
    if (twice != sorted.end()) fail("holds '{}' twice", *twice);
  }

  zip_t* open_content(int flags, int& code) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_create(content.data(), content.size(), 0, &error);
    zip_t* opened = source == nullptr ? nullptr : zip_open_from_source(source, flags, &error);
    if (opened == nullptr && source != nullptr) zip_source_free(source);
    code = zip_error_code_zip(&error);
    zip_error_fini(&error);
    return opened;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    const auto entries = static_cast<zip_uint64_t>(zip_get_num_entries(zip.get(), 0));
    for (zip_uint64_t i = 0; i < entries; ++i) {
      const char* entry = zip_get_name(zip.get(), i, ZIP_FL_ENC_RAW);
      const std::string_view text = entry == nullptr ? "" : entry;
      if (text.ends_with(suffix) && !text.starts_with("__MACOSX/"))
        found.emplace_back(text.substr(0, text.size() - suffix.size()));
    }
    std::ranges::sort(found);
    return found;
  }

  zip_int64_t locate(std::string_view array) const {
    return zip_name_locate(zip.get(), fmt::format("{}{}", array, suffix).c_str(), ZIP_FL_ENC_RAW);
  }

  template <class F>
  decltype(auto) named(F&& f) const {
    return name.empty() ? f() : in_context(name, f);
  }

  // Calls f(source, declared bytes) on an opened member.
  template <class F>
  auto with_member(std::string_view array, F&& f) const {
    return named([&] {
      const zip_int64_t index = locate(array);
      if (index < 0) {
        const auto all = names();
        fail("has no array '{}'{}; it holds: {}", array, did_you_mean(array, all), fmt::join(all, ", "));
      }
      return in_context(fmt::format("array '{}'", array),
                        [&] { return read_entry(static_cast<zip_uint64_t>(index), f); });
    });
  }

  template <class F>
  auto read_entry(zip_uint64_t index, F&& f) const {
    zip_stat_t entry;
    if (zip_stat_index(zip.get(), index, 0, &entry) != 0)
      fail("damaged zip entry: {}", zip_strerror(zip.get()));
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
    const MemberFile member(zip_fopen_index(zip.get(), index, 0));
    if (!member) fail("damaged zip entry: {}", zip_strerror(zip.get()));
    return f(
        [&member](std::span<std::byte> bytes) {
          const zip_int64_t got = zip_fread(member.get(), bytes.data(), bytes.size());
          if (got < 0) fail("damaged zip entry: {}", zip_error_strerror(zip_file_get_error(member.get())));
          return static_cast<std::size_t>(got);
        },
        entry.size);
  }
};

NpzReader::NpzReader(const std::filesystem::path& path) {
  archive_ = in_context(input_name(path), [&] {
    InputFile file(path, Pipes::accepted);
    return std::make_unique<Archive>(file);
  });
  archive_->name = input_name(path);
}

NpzReader::NpzReader(InputFile& file) : archive_(std::make_unique<Archive>(file)) {}

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
    check_end(source);
    return array;
  });
}

std::vector<std::string> NpzReader::read_text(std::string_view name) const {
  return archive_->with_member(name, [](const ByteSource& source, std::uint64_t bytes) {
    std::vector<std::string> texts = read_npy_text(source, bytes);
    check_end(source);
    return texts;
  });
}

bool NpzReader::is_text(std::string_view name) const {
  try {
    return archive_->with_member(
        name, [](const ByteSource& source, std::uint64_t) { return starts_like_npy_text(source); });
  } catch (const Error&) {  // such as an encrypted member; reading it says so
    return false;
  }
}

std::map<std::string, Array> read_npz(const std::filesystem::path& path) {
  const NpzReader archive(path);
  std::map<std::string, Array> arrays;
  for (const std::string& name : archive.names())
    if (!archive.is_text(name)) arrays.emplace(name, archive.read(name));
  return arrays;
}

}  // namespace cuelbo
