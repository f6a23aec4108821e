#include <exception>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"
#include "models/evaluation.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/open_run.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

struct EvaluateOptions {
  RunOptions run;
  EvaluationOptions evaluation;
  std::string output;  // empty: evaluation.json of the run, if it is on the run's own data
  DataOption data;     // in place of the run's own
};

void print_row(const std::string& name, double value, const std::string& note = "") {
  fmt::print("  {:<30} {:>10.3f}{}{}\n", name, value, note.empty() ? "" : "  ", note);
}

std::string binarization(Binarize how, std::uint64_t seed) {
  switch (how) {
    case Binarize::none: return "as they are";
    case Binarize::threshold: return "0 and 1 by a threshold of 0.5";
    case Binarize::dynamic: return fmt::format("0 and 1, one fixed draw with the seed {}", seed);
  }
  return {};
}

void print_table(const Evaluation& result, const GroupTree& tree, std::uint64_t seed) {
  const Decomposition& parts = result.decomposition;
  const TermSummary terms = parts.summary();
  fmt::print("{}: {} test items, {} at step {}\n", result.dataset, result.items, result.checkpoint,
             result.step);
  fmt::print("pixels {} (data.binarize = \"{}\")\n\n", binarization(result.binarize, seed),
             to_string(result.binarize));
  fmt::print("  nats per item\n");
  print_row("ELBO", result.elbo, "relaxed decoding");
  print_row("  log p(x|z)", result.log_likelihood);
  print_row("  KL", terms.kl());
  print_row("    mutual information", terms.mutual_information);
  print_row("    TC between groups", terms.between_group_tc);
  print_row("    TC within groups", terms.within_group_tc);
  for (std::size_t t = 0; t < parts.terms.size(); ++t)
    if (parts.terms[t].kind == ObjectiveTerm::Kind::within_group_tc)
      print_row("      " + tree.nodes()[static_cast<std::size_t>(parts.terms[t].node)].name, parts.values[t]);
  print_row("    KL of dimensions", terms.dimension_kl);
  print_row(
      "importance-weighted bound", result.importance_bound,
      fmt::format("log p(x) ≥, {} samples, {} items", result.importance_samples, result.importance_items));
  fmt::print("  {:<30} {:>6}/{}\n\n", "active units", result.active_units, result.mean_variance.size());
  fmt::print("estimator {}, N = {}, B = {}, mean over {} rows{}\n", to_string(parts.estimator),
             parts.dataset_size, parts.columns, parts.rows,
             tree.classes().empty() ? "" : "; discrete: categorical");
}

// The number of items of an evaluation of the same weights in this file; 0 if it holds none.
std::int64_t stored_items(const std::filesystem::path& file, const std::string& weights_crc32) {
  if (!std::filesystem::is_regular_file(file)) return 0;
  const auto bytes = read_file(file);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const auto json = nlohmann::json::parse(text, text + bytes.size(), nullptr, /*allow_exceptions=*/false);
  const bool same =
      json.is_object() && json.contains("weights_crc32") && json["weights_crc32"] == weights_crc32;
  return same && json.contains("items") && json["items"].is_number_integer()
             ? json["items"].get<std::int64_t>()
             : 0;
}

// The result is costly: show it before storing it, and store it even if standard output fails.
void show_and_store(const Evaluation& result, const GroupTree& tree, const EvaluateOptions& options,
                    std::uint64_t seed, std::optional<OutputFile>& output) {
  std::exception_ptr not_shown;
  try {
    if (json_wanted())
      print_json(to_json(result, tree));
    else if (options.output != "-")
      print_table(result, tree, seed);
  } catch (const std::system_error&) {
    not_shown = std::current_exception();
  }
  // A quick look at a few items does not replace the run's whole evaluation.
  const std::int64_t more =
      output && options.output.empty() ? stored_items(output->path(), result.weights_crc32) : 0;
  if (more > result.items) {
    note("kept '{}', of {} items; -o FILE.json stores this one, of {}", output->path(), more, result.items);
  } else if (output) {
    try {
      write_file(output->path(), to_json(result, tree).dump(2) + "\n");
    } catch (const Error& error) {
      fail("{}{}", error.what(), options.output.empty() ? "; -o FILE.json stores it elsewhere" : "");
    }
    output->finish();
  }
  if (not_shown) std::rethrow_exception(not_shown);
}

int run_evaluate(const EvaluateOptions& options) {
  OpenRun run = open_run(options.run);
  // The run's own evaluation is that of its own data.
  std::optional<OutputFile> output;
  if (!options.output.empty())
    output.emplace(options.output, ".json",
                   run.directory && options.data.path.empty() ? &*run.directory : nullptr);
  else if (run.directory && options.data.path.empty())
    output.emplace(run.directory->file("evaluation.json"), ".json", &*run.directory);
  if (output) refuse_inputs(*output, run);
  if (!options.output.empty()) output->check_writable();
  const RunData data = open_data(run, options.data);
  const std::span<const std::int64_t> items = data.split.test;
  if (items.empty())
    fail("the run has no test split: data.test_fraction is {}, of {} images", run.config().data.test_fraction,
         data.dataset->size());
  const Evaluation result = evaluate(run.loaded, *data.dataset, items, options.evaluation);
  show_and_store(result, run.loaded.model->tree(), options, run.config().seed, output);
  return exit_done;
}

}  // namespace

void add_evaluate(CLI::App& app, Run& run) {
  add_command<EvaluateOptions>(
      app, run, "evaluate",
      "Exact ELBO terms over the test split, importance-weighted bound, active units: a table and "
      "DIR/evaluation.json",
      [](CLI::App& command, EvaluateOptions& options) {
        add_run_options(command, options.run);
        add_data_option(command, options.data);
        EvaluationOptions& evaluation = options.evaluation;
        command.add_option("-o,--output", options.output,
                           "The .json to write, - for standard output instead of the table "
                           "[DIR/evaluation.json]");
        add_number(command, "--items", evaluation.max_items, at_least(1),
                   "Number of test items, drawn by the seed of the run [all]");
        add_number(command, "--importance-items", evaluation.importance_items, at_least(1),
                   "Number of items for the importance-weighted bound")
            ->capture_default_str();
        add_number(command, "--importance-samples", evaluation.importance_samples, at_least(1, 1 << 20),
                   "Samples per item of that bound")
            ->capture_default_str();
      },
      run_evaluate);
}

}  // namespace cuelbo
