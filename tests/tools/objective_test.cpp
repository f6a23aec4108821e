// `cuelbo objective` against a brute-force loop in double precision.
#include <cmath>
#include <functional>
#include <random>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/io/npz.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

constexpr std::size_t items = 33, dims = 4, classes = 3;
constexpr double log_2pi = 1.8378770664093453;

double log_normal(double z, double mean, double logvar) {
  return -0.5 * (log_2pi + logvar + (z - mean) * (z - mean) * std::exp(-logvar));
}

struct RandomCodes {
  std::vector<float> mean, logvar, z, logits;
  double q(std::size_t j, std::size_t k) const {
    double total = 0;
    for (std::size_t c = 0; c < classes; ++c) total += std::exp(static_cast<double>(logits[j * classes + c]));
    return std::exp(static_cast<double>(logits[j * classes + k])) / total;
  }
};

RandomCodes random_codes() {
  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  RandomCodes codes;
  for (std::size_t i = 0; i < items * dims; ++i) {
    codes.mean.push_back(normal(generator));
    codes.logvar.push_back(normal(generator) - 1);
    codes.z.push_back(codes.mean[i] + std::exp(codes.logvar[i] / 2) * normal(generator));
  }
  for (std::size_t i = 0; i < items * classes; ++i) codes.logits.push_back(2 * normal(generator));
  return codes;
}

void write(const std::filesystem::path& path, const RandomCodes& codes) {
  const auto n = static_cast<std::int64_t>(items), d = static_cast<std::int64_t>(dims);
  write_npz(path, {{"mean", make_array({n, d}, codes.mean)},
                   {"logvar", make_array({n, d}, codes.logvar)},
                   {"z", make_array({n, d}, codes.z)},
                   {"logits_class", make_array({n, static_cast<std::int64_t>(classes)}, codes.logits)}});
}

double weight(const std::string& estimator, std::size_t b, std::size_t j, double n) {
  const double count = items, m = count - 1;
  if (estimator == "hfvae") return b == j ? 1 / n : (n - 1) / (n * m);
  if (estimator == "mws") return 1 / (n * count);
  if (estimator == "mss") return b == j ? 1 / n : j == (b + 1) % items ? (n - m) / (n * m) : 1 / m;
  return 1 / count;  // batch and exact
}

// Mean over b of E log q̂(z_b^V) for some dimensions and perhaps the class.
double mean_log_q(const RandomCodes& codes, const std::string& estimator, double n,
                  const std::vector<std::size_t>& block, bool with_class) {
  double sum = 0;
  for (std::size_t b = 0; b < items; ++b)
    for (std::size_t k = 0; k < (with_class ? classes : 1); ++k) {
      double mixture = 0;
      for (std::size_t j = 0; j < items; ++j) {
        double log_density = 0;
        for (const std::size_t d : block)
          log_density +=
              log_normal(codes.z[b * dims + d], codes.mean[j * dims + d], codes.logvar[j * dims + d]);
        mixture += weight(estimator, b, j, n) * std::exp(log_density) * (with_class ? codes.q(j, k) : 1);
      }
      sum += (with_class ? codes.q(b, k) : 1) * std::log(mixture);
    }
  return sum / items;
}

class Objective : public TinyTest, public ::testing::WithParamInterface<std::string> {
 protected:
  nlohmann::json json(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"objective", "-i", "codes.npz", "--json"});
    const Outcome outcome = run(arguments);
    EXPECT_TRUE(succeeds(outcome));
    return nlohmann::json::parse(outcome.out);  // throws when there is anything but JSON
  }
};

// Groups ((0, 2-3), class), 1: a tree of three levels whose dimensions are not in the order of the codes.
TEST_P(Objective, EqualsBruteForce) {
  const std::string& estimator = GetParam();
  const double n = estimator == "exact" ? items : 500;
  const RandomCodes codes = random_codes();
  write(path("codes.npz"), codes);
  const nlohmann::json got = json({"--groups", "((0,2-3),class),1", "--estimator", estimator,
                                   "--dataset-size", std::to_string(static_cast<int>(n))});
  const auto log_q = [&](const std::vector<std::size_t>& block, bool with_class = false) {
    return mean_log_q(codes, estimator, n, block, with_class);
  };
  double given_x = 0, prior = -std::log(classes);
  std::vector<double> prior_of_dim(dims);
  for (std::size_t b = 0; b < items; ++b) {
    for (std::size_t d = 0; d < dims; ++d) {
      given_x +=
          log_normal(codes.z[b * dims + d], codes.mean[b * dims + d], codes.logvar[b * dims + d]) / items;
      prior_of_dim[d] += log_normal(codes.z[b * dims + d], 0, 0) / items;
    }
    for (std::size_t k = 0; k < classes; ++k) given_x += codes.q(b, k) * std::log(codes.q(b, k)) / items;
  }
  for (const double p : prior_of_dim) prior += p;

  const double all = log_q({0, 1, 2, 3}, true), outer = log_q({0, 2, 3}, true), inner = log_q({0, 2, 3});
  const double pair = log_q({2, 3}), kind = log_q({}, true);
  const auto near = [](const nlohmann::json& value, double expected, const char* what) {
    EXPECT_NEAR(value.get<double>(), expected, 1e-5 * std::max(1.0, std::abs(expected))) << what;
  };
  near(got.at("log_qz"), all, "log_qz");
  near(got.at("log_qz_given_x"), given_x, "log_qz_given_x");
  near(got.at("mutual_information"), given_x - all, "mutual information");
  const double root_tc = all - outer - log_q({1}), outer_tc = outer - inner - kind,
               inner_tc = inner - log_q({0}) - pair;
  ASSERT_EQ(got.at("nodes").size(), 3U);
  near(got["nodes"][0].at("tc"), root_tc, "root");
  near(got["nodes"][1].at("tc"), outer_tc, "outer");
  near(got["nodes"][2].at("tc"), inner_tc, "inner");
  near(got.at("between_group_tc"), root_tc + outer_tc + inner_tc, "between groups");

  const double within = pair - log_q({2}) - log_q({3});
  const std::vector<double> expected_within{0, within, 0, 0};  // 0; 2-3; class; 1
  ASSERT_EQ(got.at("within_group_tc").size(), expected_within.size());
  for (std::size_t g = 0; g < expected_within.size(); ++g)
    near(got["within_group_tc"][g], expected_within[g], "within");
  near(got.at("within_group_tc_total"), within, "within, total");

  ASSERT_EQ(got.at("dimension_kl").size(),
            dims + 1);  // the dimensions in the order of the codes, then the class
  for (std::size_t d = 0; d < dims; ++d)
    near(got["dimension_kl"][d], log_q({d}) - prior_of_dim[d], "dimension");
  near(got["dimension_kl"][dims], kind + std::log(classes), "class");
  near(got.at("kl"), given_x - prior, "kl");
  EXPECT_EQ(got.at("estimator"), estimator);
  EXPECT_EQ(got.at("dataset_size"), n);
  EXPECT_EQ(got.at("batch_size"), items);
  EXPECT_EQ(got.at("discrete"), "categorical");
}

INSTANTIATE_TEST_SUITE_P(Estimators, Objective, ::testing::Values("hfvae", "mws", "mss", "batch", "exact"),
                         [](const auto& test) { return test.param; });

TEST_F(Objective, TableNamesEstimatorAndSizes) {
  write(path("codes.npz"), random_codes());
  const Outcome outcome =
      run({"objective", "-i", "codes.npz", "--groups", "0-1,2-3,class", "--dataset-size", "70"});
  EXPECT_TRUE(succeeds(outcome));
  EXPECT_TRUE(outcome.err.starts_with("device: ")) << outcome.err;
  for (const char* text : {"mutual_information", "within_group_tc/0-1", "estimator hfvae, N = 70, B = 33"})
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text << " is missing in:\n" << outcome.out;
}

// Terms are computed in float32: codes that it does not hold are refused, not rounded.
TEST_F(Objective, DoublePrecisionThatMattersIsRefused) {
  write(path("full.npz"), random_codes());
  const auto with_offset = [&](const char* name, double offset) {
    auto arrays = read_npz(path("full.npz"));
    Array& array = arrays.at(name);
    std::vector<double> values;
    for (const float value : array.as<float>()) values.push_back(value + offset);
    array = make_array(array.shape, values);
    write_npz(path("codes.npz"), arrays);
    return run({"objective", "-i", "codes.npz", "--groups", "0-3,class", "--dataset-size", "70"});
  };
  for (const char* name : {"mean", "z"}) {
    EXPECT_TRUE(succeeds(with_offset(name, 0.1)));
    EXPECT_TRUE(fails(with_offset(name, 1e6 + 0.1), 1, "which float32 does not hold precisely enough"));
  }
  EXPECT_TRUE(succeeds(with_offset("logits_class", 0.1)));
  EXPECT_TRUE(fails(with_offset("logits_class", 1e9 + 0.1), 1, "subtract the maximum of each row"));
}

// A common mistake, whose terms are finite and wrong.
TEST_F(Objective, ProbabilitiesInThePlaceOfLogitsAreNoted) {
  RandomCodes codes = random_codes();
  const auto noted = [&] {
    write(path("codes.npz"), codes);
    const Outcome outcome =
        run({"objective", "-i", "codes.npz", "--groups", "0-3,class", "--dataset-size", "70"});
    EXPECT_TRUE(succeeds(outcome));
    return outcome.err.find("array 'logits_class' holds probabilities, it seems; write their logarithms") !=
           std::string::npos;
  };
  EXPECT_FALSE(noted());
  for (std::size_t j = 0; j < items; ++j)
    for (std::size_t k = 0; k < classes; ++k)
      codes.logits[j * classes + k] = static_cast<float>(static_cast<double>((j + k) % classes + 1) / 6);
  EXPECT_TRUE(noted());
  for (float& value : codes.logits) value = std::log(value);
  EXPECT_FALSE(noted());
}

TEST_F(Objective, SamplesAreDrawnFromTheSeedWhenThereAreNone) {
  write(path("full.npz"), random_codes());
  auto arrays = read_npz(path("full.npz"));
  arrays.erase("z");
  write_npz(path("codes.npz"), arrays);
  const std::vector<std::string> groups{"--groups", "0-3,class", "--estimator", "batch"};
  const auto with_seed = [&](const char* seed) {
    std::vector<std::string> arguments = groups;
    arguments.insert(arguments.end(), {"--seed", seed});
    return json(arguments).at("log_qz").get<double>();
  };
  EXPECT_EQ(with_seed("1"), with_seed("1"));
  EXPECT_NE(with_seed("1"), with_seed("2"));
  EXPECT_NEAR(with_seed("1"), with_seed("2"), 2);
}

}  // namespace
}  // namespace cuelbo::test
