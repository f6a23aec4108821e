#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "models/codes.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/open_run.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

struct ObjectiveOptions {
  std::string input, groups, estimator = "hfvae";
  DecompositionOptions decomposition;
  DeviceOptions device;
};

Json to_json(const Decomposition& result, const GroupTree& tree) {
  Json within = Json::array(), dimensions = Json::array(), nodes = Json::array();
  for (std::size_t t = 0; t < result.terms.size(); ++t) {
    const ObjectiveTerm& term = result.terms[t];
    switch (term.kind) {
      case ObjectiveTerm::Kind::mutual_information: break;
      case ObjectiveTerm::Kind::between_group_tc:
        nodes.push_back(
            {{"name", tree.nodes()[static_cast<std::size_t>(term.node)].name}, {"tc", result.values[t]}});
        break;
      case ObjectiveTerm::Kind::within_group_tc: within.push_back(result.values[t]); break;
      case ObjectiveTerm::Kind::dimension_kl: dimensions.push_back(result.values[t]); break;
    }
  }
  const TermSummary sums = result.summary();
  Json json{{"mutual_information", sums.mutual_information},
            {"between_group_tc", sums.between_group_tc},
            {"within_group_tc", within},
            {"within_group_tc_total", sums.within_group_tc},
            {"dimension_kl", dimensions},
            {"dimension_kl_total", sums.dimension_kl},
            {"kl", sums.kl()},
            {"log_qz", result.log_qz},
            {"log_qz_given_x", result.log_qz_given_x},
            {"nodes", nodes},
            {"estimator", to_string(result.estimator)},
            {"dataset_size", result.dataset_size},
            {"batch_size", result.columns},
            {"rows", result.rows}};
  if (!tree.classes().empty()) json["discrete"] = "categorical";
  return json;
}

void print_table(const Decomposition& result) {
  for (std::size_t t = 0; t < result.terms.size(); ++t)
    fmt::print("{:<28} {:>12.6f}\n", result.terms[t].name, result.values[t]);
  fmt::print("{:<28} {:>12.6f}\n{:<28} {:>12.6f}\n{:<28} {:>12.6f}\n", "kl", result.summary().kl(), "log_qz",
             result.log_qz, "log_qz_given_x", result.log_qz_given_x);
  fmt::print("nats per item; estimator {}, N = {}, B = {}, mean over {} rows\n", to_string(result.estimator),
             result.dataset_size, result.columns, result.rows);
}

int run_objective(const ObjectiveOptions& options) {
  DecompositionOptions decomposition = options.decomposition;
  decomposition.estimator = parse_estimator(options.estimator);
  const std::unique_ptr<Device> device = open_device(options.device);
  note_device(*device);
  const Codes codes = read_codes(options.input, decomposition.seed);
  std::ranges::for_each(codes.notes, print_note);
  if (decomposition.dataset_size == 0) {
    if (decomposition.estimator != Estimator::exact && decomposition.estimator != Estimator::batch)
      usage_fail("objective: estimator {} needs --dataset-size", options.estimator);
    decomposition.dataset_size = codes.items;
  }
  std::vector<DiscreteGroup> discrete;
  for (const Codes::Discrete& group : codes.discrete) discrete.push_back({group.name, group.classes});
  const GroupTree tree = parse_groups(options.groups, codes.dims, discrete);
  const Decomposition result = decompose(*device, codes, tree, decomposition);
  for (std::size_t t = 0; t < result.terms.size(); ++t)
    if (!std::isfinite(result.values[t]))
      fail("'{}': {} is {}", options.input, result.terms[t].name, result.values[t]);
  if (json_wanted())
    print_json(to_json(result, tree));
  else
    print_table(result);
  return exit_done;
}

}  // namespace

void add_objective(CLI::App& app, Run& run) {
  add_command<ObjectiveOptions>(
      app, run, "objective", "The terms of the ELBO of codes from any system, in nats per item",
      [](CLI::App& command, ObjectiveOptions& options) {
        command
            .add_option(
                "-i,--input", options.input,
                "Codes: .npz with mean, logvar (n, D), optionally z, and logits_<group> of discrete groups")
            ->required();
        command
            .add_option("--groups", options.groups,
                        "Groups, as in \"0-4,5-9,class\": a-b are Gaussian dimensions, a name is the "
                        "discrete group with "
                        "logits_<name>; brackets nest: \"(0-4,5-9),class\"")
            ->required();
        add_number(
            command, "--dataset-size", options.decomposition.dataset_size, at_least(1),
            "N, the number of items the codes are a batch of; exact and batch take the items of the file");
        command.add_option("--estimator", options.estimator, "hfvae, mws, mss, batch or exact")
            ->capture_default_str();
        add_number(command, "--rows", options.decomposition.max_rows, at_least(1),
                   "exact: mean over at most so many items, a seeded subset")
            ->capture_default_str();
        add_seed_option(command, options.decomposition.seed,
                        "Seed of z where the file has none, and of --rows");
        add_device_options(command, options.device);
      },
      run_objective);
}

}  // namespace cuelbo
