#include "tools/output_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include <unistd.h>

#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {

namespace fs = std::filesystem;

namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c; });
  return text;
}

// The folder of the file that will be written: a link's target, which may not exist yet.
fs::path real_folder(const fs::path& output) {
  std::error_code error;
  return fs::weakly_canonical(fs::absolute(output, error), error).parent_path();
}

bool is_same(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

}  // namespace

OutputFile::OutputFile(std::string name, std::string_view suffix, const RunDirectory* run)
    : name_(std::move(name)), path_(name_) {
  if (name_ != "-") {
    // Writing reports a folder as such.
    if (std::error_code error; !fs::is_directory(name_, error) && !lower(name_).ends_with(suffix))
      usage_fail("-o '{}': the name must end in {}, the format that is written", name_, suffix);
    refuse_files_of_runs(run);
    return;
  }
  if (suffix != ".json" && suffix != ".html" && isatty(STDOUT_FILENO) == 1)
    usage_fail("-o -: standard output is a terminal; redirect it, or name a {} file", suffix);
  if (json_wanted()) usage_fail("-o -: standard output cannot hold both the file and what --json prints");
  directory_.emplace();
  path_ = *directory_ / ("output" + std::string(suffix));
}

void OutputFile::refuse_files_of_runs(const RunDirectory* own) const {
  const std::string run = owning_run(name_);
  if (run.empty() || (own != nullptr && is_same(real_folder(name_), own->path()))) return;
  usage_fail("-o '{}' belongs to the run '{}': name another place", name_, run);
}

void OutputFile::check_writable() const { const AtomicFile attempt(path_); }

void OutputFile::refuse_input(const std::string& input) const {
  std::error_code error;
  if (name_ == "-" || input.empty()) return;
  if (is_same(name_, input)) usage_fail("-o '{}' is the input '{}': name another file", name_, input);
  if (!lower(name_).ends_with(".png") || !fs::is_directory(input, error)) return;
  for (fs::path folder = real_folder(name_); folder.has_relative_path(); folder = folder.parent_path())
    if (is_same(folder, input))
      usage_fail("-o '{}' is inside the input '{}': name another place", name_, input);
}

void OutputFile::refuse_inputs_of(const RunDirectory& run) const {
  const DataConfig& data = run.config().data;
  // In other folders a picture is not taken for one of the data set.
  if (std::error_code error; data.name == "images" || !fs::is_directory(data.path, error))
    refuse_input(data.path);
}

void OutputFile::finish() {
  if (name_ != "-") return;
  InputFile file(path_);
  std::vector<std::byte> bytes(std::size_t{1} << 20);
  while (const std::size_t count = file.read(bytes))
    if (std::fwrite(bytes.data(), 1, count, stdout) != count)
      throw std::system_error(errno, std::generic_category());
  if (std::fflush(stdout) != 0) throw std::system_error(errno, std::generic_category());
}

void OutputFile::report(const std::string& what, Fields fields) const {
  if (name_ == "-") return note("standard output: {}", what);
  fields.insert(fields.begin(), {"file", name_});
  print_result(fmt::format("{}: {}", name_, what), fields);
}

void check_output_beside_results(const std::string& name, std::string_view suffix, const std::string& input) {
  if (name.empty()) return;
  if (name == "-") usage_fail("-o -: standard output holds the results; name a {} file", suffix);
  const OutputFile output(name, suffix);
  output.refuse_input(input);
  output.check_writable();
}

}  // namespace cuelbo
