// Codes of many items on the host, from a model or from a file, and their ELBO decomposition.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/device.hpp"
#include "models/data/dataset.hpp"
#include "models/hfvae.hpp"
#include "models/objective.hpp"

namespace cuelbo {

// Columns are in the order of the codes, not of a tree.
struct Codes {
  std::int64_t items = 0, dims = 0;
  std::vector<float> mean, logvar, z;  // (items, dims)
  std::vector<std::string> names;      // of the columns, "form.4"; empty if a file has none
  struct Discrete {
    std::string name;
    std::int64_t classes = 0;
    std::vector<float> logits, z;  // (items, classes); z: relaxed sample or one-hot, may be empty
  };
  std::vector<Discrete> discrete;
  std::vector<std::string> notes;  // on the file they were read from
};

// codes.npz: mean, logvar, optionally z (else drawn from `seed`), logits_<group>, z_<group>, and names of the columns.
// Error: missing or misshapen arrays, NaN or Inf, naming file, array and row.
// For `samples` alone, mean and logvar may be missing where z is there, and logits_<group> where z_<group> is; they are
// not read then.
enum class CodesNeeded { all, samples };
Codes read_codes(const std::string& path, std::uint64_t seed, CodesNeeded needed = CodesNeeded::all);
void write_codes(const std::string& path, const Codes& codes);

// The codes of some items of a data set, in their order; samples from `seed`.
Codes encode(Device& device, ParameterSet& parameters, const Hfvae& model, const Dataset& dataset,
             std::span<const std::int64_t> items, std::uint64_t seed);

struct DecompositionOptions {
  Estimator estimator = Estimator::hfvae;
  std::int64_t dataset_size = 0;
  std::int64_t max_rows = 10000;  // rows of exact: a seeded subset when there are more items
  std::uint64_t seed = 1;
  GaussianPrior prior;  // of the dimensions in tree order
};

struct Decomposition {
  std::vector<ObjectiveTerm> terms;
  std::vector<double> values;  // nats per item
  double log_qz = 0, log_qz_given_x = 0, log_pz = 0;
  Estimator estimator = Estimator::hfvae;
  std::int64_t rows = 0, columns = 0, dataset_size = 0;
  TermSummary summary() const { return summarize(terms, values); }
};

// All items are columns of the mixture. Accumulates means in double.
Decomposition decompose(Device& device, const Codes& codes, const GroupTree& tree,
                        const DecompositionOptions& options);

}  // namespace cuelbo
