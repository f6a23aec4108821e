#include <algorithm>
#include <exception>

#include <zip.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/npz.hpp"
#include "engine/io/zip_sink.hpp"

namespace cuelbo {
namespace {

constexpr std::size_t piece_bytes = std::size_t{1} << 20;
constexpr zip_uint32_t deflate_level = 6;
constexpr zip_uint16_t dos_date_1980_01_01 = 0x21;

struct DiscardArchive {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};
using Archive = std::unique_ptr<zip_t, DiscardArchive>;

}  // namespace

// Stands behind a zip source: libzip reads the header, then the elements.
struct NpzWriter::Member {
  std::string name;
  std::string header;
  Array array;             // the elements, or
  ArrayProducer producer;  // what makes them
  std::uint64_t element_bytes = 0, item_bytes = 0;

  std::uint64_t position = 0;    // bytes given so far, header included
  std::vector<std::byte> piece;  // made, not yet given
  std::size_t piece_position = 0;
  std::exception_ptr failure;

  std::uint64_t total_bytes() const { return header.size() + element_bytes; }

  void open() {
    if (position != 0 && producer) fail("array '{}' is made once and cannot be written twice", name);
    position = 0;
  }

  std::size_t read(std::span<std::byte> out) {
    std::span<const std::byte> from;
    if (position < header.size()) {
      from = std::as_bytes(std::span(header)).subspan(position);
    } else if (producer) {
      if (piece_position == piece.size()) make_piece();
      from = std::span<const std::byte>(piece).subspan(piece_position);
    } else {
      from = std::span<const std::byte>(array.data).subspan(position - header.size());
    }
    const std::size_t count = std::min(out.size(), from.size());
    std::copy_n(from.begin(), count, out.begin());
    if (position >= header.size() && producer) piece_position += count;
    position += count;
    return count;
  }

  void make_piece() {
    const std::uint64_t left = total_bytes() - position;
    const std::uint64_t items = item_bytes == 0 ? 0 : std::max<std::uint64_t>(piece_bytes / item_bytes, 1);
    piece.resize(std::min(left, items * item_bytes));
    piece_position = 0;
    if (!piece.empty()) producer(piece);
  }

  static zip_int64_t callback(void* self, void* data, zip_uint64_t length, zip_source_cmd_t command) {
    auto& member = *static_cast<Member*>(self);
    switch (command) {
      case ZIP_SOURCE_OPEN:
      case ZIP_SOURCE_READ:
        try {
          if (command == ZIP_SOURCE_READ)
            return static_cast<zip_int64_t>(member.read({static_cast<std::byte*>(data), length}));
          member.open();
          return 0;
        } catch (...) {
          member.failure = std::current_exception();
          return -1;
        }
      case ZIP_SOURCE_STAT: {
        auto& stat = *static_cast<zip_stat_t*>(data);
        zip_stat_init(&stat);
        stat.size = member.total_bytes();
        stat.valid |= ZIP_STAT_SIZE;
        return sizeof(stat);
      }
      case ZIP_SOURCE_ERROR: {
        const int codes[2] = {ZIP_ER_INTERNAL, 0};
        std::memcpy(data, codes, sizeof(codes));
        return sizeof(codes);
      }
      case ZIP_SOURCE_SUPPORTS: return ZIP_SOURCE_SUPPORTS_READABLE;
      default: return 0;
    }
  }

  void add_to(zip_t* zip) {
    zip_source_t* source = zip_source_function(zip, callback, this);
    if (source == nullptr) fail("{}", zip_strerror(zip));
    const zip_int64_t index = zip_file_add(zip, (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      fail("array '{}': {}", name, zip_strerror(zip));
    }
    const auto entry = static_cast<zip_uint64_t>(index);
    if (zip_set_file_compression(zip, entry, ZIP_CM_DEFLATE, deflate_level) != 0 ||
        zip_file_set_dostime(zip, entry, 0, dos_date_1980_01_01, 0) != 0)
      fail("array '{}': {}", name, zip_strerror(zip));
  }
};

NpzWriter::NpzWriter(std::filesystem::path path) : path_(std::move(path)) {}
NpzWriter::~NpzWriter() = default;

void NpzWriter::add(std::string name, Array array) {
  auto member = std::make_unique<Member>();
  member->name = std::move(name);
  member->header = npy_header(array.dtype, array.shape);
  member->element_bytes = array.data.size();
  member->array = std::move(array);
  members_.push_back(std::move(member));
}

void NpzWriter::add_text(std::string name, std::span<const std::string> texts) {
  auto member = std::make_unique<Member>();
  member->name = std::move(name);
  member->header = npy_text(texts);
  members_.push_back(std::move(member));
}

void NpzWriter::add(std::string name, Dtype dtype, std::vector<std::int64_t> shape, ArrayProducer producer) {
  auto member = std::make_unique<Member>();
  member->name = std::move(name);
  member->header = npy_header(dtype, shape);
  member->element_bytes = static_cast<std::uint64_t>(element_count(shape, dtype)) * dtype_size(dtype);
  member->item_bytes = shape.empty() || shape[0] == 0
                           ? member->element_bytes
                           : member->element_bytes / static_cast<std::uint64_t>(shape[0]);
  member->producer = std::move(producer);
  members_.push_back(std::move(member));
}

void NpzWriter::commit() {
  if (members_.empty()) fail("cannot write '{}': an npz archive needs an array", path_.string());
  AtomicFile file(path_);
  in_context(fmt::format("cannot write '{}'", path_.string()), [&] {
    ZipSink sink(file.descriptor());
    Archive zip(sink.open());
    for (const auto& member : members_) member->add_to(zip.get());
    if (zip_close(zip.get()) != 0) {
      for (const auto& member : members_)
        if (member->failure) std::rethrow_exception(member->failure);
      fail("{}", zip_strerror(zip.get()));
    }
    static_cast<void>(zip.release());  // zip_close has freed it
  });
  file.commit();
}

void write_npz(const std::filesystem::path& path, std::map<std::string, Array> arrays) {
  NpzWriter writer(path);
  for (auto& [name, array] : arrays) writer.add(name, std::move(array));
  writer.commit();
}

}  // namespace cuelbo
