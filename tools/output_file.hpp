// The file that -o names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/temporary_directory.hpp"
#include "models/run_directory.hpp"
#include "tools/output.hpp"

namespace cuelbo {

class OutputFile {
 public:
  // `suffix` is the format that is written, as in ".npz". "-" means standard output. Throws UsageError for another
  // suffix, for a file of any run (owning_run) other than `run`'s own of this format, and for standard output that is a
  // terminal or holds JSON.
  OutputFile(std::string name, std::string_view suffix, const RunDirectory* run = nullptr);

  // Throws Error if the file cannot be written. Call it before a long computation.
  void check_writable() const;
  // Throws UsageError if the file is `input`, by whatever name, or a picture inside that folder.
  void refuse_input(const std::string& input) const;
  void refuse_inputs_of(const RunDirectory& run) const;  // the same for its data

  // The path to write to. With "-", a temporary file that finish() copies to standard output.
  const std::string& path() const { return path_; }
  void finish();

  // The result, "FILE: what" or JSON; a note where the file itself went to standard output.
  void report(const std::string& what, Fields fields) const;

 private:
  void refuse_files_of_runs(const RunDirectory* own) const;

  std::string name_, path_;
  std::optional<TemporaryDirectory> directory_;
};

// For commands whose results fill standard output, so that -o, if not empty, must be a file. Throws Error as OutputFile.
void check_output_beside_results(const std::string& name, std::string_view suffix, const std::string& input);

}  // namespace cuelbo
