// NumPy's .npz archives: a zip of .npy members, stored or deflated.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/array.hpp"
#include "engine/io/npy.hpp"

namespace cuelbo {

// An open archive. Nothing but its directory is read until an array is asked for, and a declared size is
// checked against the compressed size and the memory before it is believed. Errors: two arrays of one name;
// "'path': array 'name': …".
class NpzReader {
 public:
  // The path may be a pipe or standard input, "-", whose content is kept in memory.
  explicit NpzReader(const std::filesystem::path& path);
  explicit NpzReader(InputFile& file);  // the caller prefixes messages with the file's name
  ~NpzReader();
  NpzReader(NpzReader&&) noexcept;
  NpzReader& operator=(NpzReader&&) noexcept;

  // Sorted; without ".npy".
  std::vector<std::string> names() const;
  bool contains(std::string_view name) const;

  // Error for a name that is not there: lists those that are.
  NpyHeader header(std::string_view name) const;
  Array read(std::string_view name) const;
  std::vector<std::string> read_text(std::string_view name) const;  // of an array of text
  bool is_text(std::string_view name) const;

 private:
  struct Archive;
  std::unique_ptr<Archive> archive_;
};

// Whether the next bytes of the file are those of a zip archive.
bool starts_like_zip(InputFile& file);

// All arrays but those of text.
std::map<std::string, Array> read_npz(const std::filesystem::path& path);

// Makes an array while it is written: called for consecutive pieces, each a whole number of items of the
// first dimension.
using ArrayProducer = std::function<void(std::span<std::byte>)>;

// Members are written by commit(), as numpy.savez_compressed would; equal arrays give equal files.
class NpzWriter {
 public:
  explicit NpzWriter(std::filesystem::path path);
  ~NpzWriter();

  void add(std::string name, Array array);
  void add_text(std::string name, std::span<const std::string> texts);
  void add(std::string name, Dtype dtype, std::vector<std::int64_t> shape, ArrayProducer producer);
  void commit();

 private:
  struct Member;
  std::filesystem::path path_;
  std::vector<std::unique_ptr<Member>> members_;
};

void write_npz(const std::filesystem::path& path, std::map<std::string, Array> arrays);

}  // namespace cuelbo
