#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"
#include "models/checkpoint.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/open_run.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"
#include "tools/report/page.hpp"

namespace cuelbo {

namespace {

std::optional<nlohmann::json> read_evaluation(const std::string& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const auto bytes = in_context(fmt::format("'{}'", path), [&] { return read_file(path); });
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  nlohmann::json json = nlohmann::json::parse(text, text + bytes.size(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) fail("'{}' is not a JSON object: run `cuelbo evaluate` again", path);
  return json;
}

void write_pictures(const RunDirectory& run, const Gallery& gallery) {
  const std::filesystem::path folder = run.file("pictures");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("cannot create directory '{}': {}", folder.string(), error.message());
  write_png(folder / "traversals.png", traversal_grid(gallery));
  write_png(folder / "reconstructions.png", arrange({gallery.inputs, gallery.reconstructions}));
  write_png(folder / "samples.png", arrange({gallery.samples}));
}

struct ReportOptions {
  RunOptions run;
  std::string output;  // empty: report.html of the run, and pictures/
};

int run_report(const ReportOptions& options) {
  OpenRun run = open_run(options.run);
  const RunDirectory& directory = directory_of(run, "a report shows what is");
  OutputFile output(options.output.empty() ? directory.file("report.html") : options.output, ".html",
                    &directory);
  output.refuse_inputs_of(directory);
  if (!options.output.empty()) output.check_writable();
  ReportData report{.directory = directory.path(),
                    .config = directory.config(),
                    .evaluation = read_evaluation(directory.file("evaluation.json")),
                    .checkpoint = run.loaded.checkpoint,
                    .checkpoint_step = run.loaded.state.step,
                    .weights_crc32 = weights_checksum(*run.loaded.parameters)};
  if (const std::string log = directory.file("log.jsonl"); std::filesystem::exists(log)) {
    report.log = RunLog::read(log);
  } else {
    report.log_missing = fmt::format("'{}' is missing", log);
    note("no curves: {}", report.log_missing);
  }
  try {
    report.gallery = make_gallery(run, open_run_data(run));
  } catch (const ChangedError&) {
    throw;
  } catch (const Error& error) {  // the data may have moved; curves and figures are still worth a page
    report.gallery_missing = error.what();
    note("no pictures: {}", error.what());
  }
  try {
    if (report.gallery && options.output.empty()) write_pictures(directory, *report.gallery);
    write_file(output.path(), to_html(report));
  } catch (const Error& error) {
    fail("{}{}", error.what(), options.output.empty() ? "; -o FILE.html writes the page elsewhere" : "");
  }
  output.finish();
  if (options.output != "-") print_result(output.path(), {{"file", output.path()}});
  return exit_done;
}

}  // namespace

void add_report(CLI::App& app, Run& run) {
  add_command<ReportOptions>(
      app, run, "report", "DIR/report.html, one self-contained page, and DIR/pictures/",
      [](CLI::App& command, ReportOptions& options) {
        add_run_options(command, options.run);
        command.add_option("-o,--output", options.output,
                           "Only the page, as this .html; - for standard output [DIR/report.html]");
      },
      run_report);
}

}  // namespace cuelbo
