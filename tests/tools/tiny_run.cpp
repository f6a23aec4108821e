#include "tests/tools/tiny_run.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "engine/io/atomic_file.hpp"
#include "engine/io/npy.hpp"

namespace cuelbo::test {

namespace {

constexpr const char* tiny_config = R"(seed = 3
[data]
name = "npy"
path = "images.npy"
batch_size = 16
validation_fraction = 0.2
test_fraction = 0.2
[encoder]
layers = [{ linear = 16 }]
[decoder]
layers = [{ linear = 16 }]
[[latent]]
name = "kind"
discrete = 3
[[latent]]
name = "place"
gaussian = 2
[[latent]]
name = "form"
gaussian = 3
[objective]
between_group_tc = 2.0
[optimizer]
adam = { learning_rate = 1e-2 }
steps = 40
[training]
log_every = 10
validate_every = 20
)";

}  // namespace

void write_tiny_config(const std::filesystem::path& directory) {
  constexpr std::int64_t count = 80, side = 8;
  std::vector<std::uint8_t> pixels(count * side * side, 20);
  for (std::int64_t n = 0; n < count; ++n)
    for (std::int64_t i = 0; i < side; ++i) {
      const std::int64_t place = n / 2 % side, row = n % 2 == 0 ? place : i, column = n % 2 == 0 ? i : place;
      pixels[static_cast<std::size_t>((n * side + row) * side + column)] = 230;
    }
  write_npy(directory / "images.npy", make_array({count, side, side}, pixels));
  write_file(directory / "tiny.toml", tiny_config);
}

void TinyTest::train(const std::string& name, const std::vector<std::string>& more) const {
  std::vector<std::string> arguments{"train", "tiny.toml", "--output", name};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome outcome = run(arguments);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
}

std::string TinyTest::content(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

::testing::AssertionResult fails(const Outcome& outcome, int code, const std::string& text) {
  const auto failure = [&](const std::string& why) {
    return ::testing::AssertionFailure() << why << "; exit code " << outcome.code << ", standard error:\n"
                                         << outcome.err;
  };
  if (outcome.code != code) return failure("exit code " + std::to_string(code) + " was expected");
  std::istringstream lines(outcome.err);
  std::string line;
  int complaints = 0;
  for (std::string next; std::getline(lines, next); line = next)
    complaints += next.starts_with("cuelbo: ") ? 1 : 0;
  if (!line.starts_with("cuelbo: ") || !outcome.err.ends_with('\n'))
    return failure("the last line is not 'cuelbo: …'");
  if (complaints != 1) return failure("more than one complaint");
  if (line.find(text) == std::string::npos) return failure("'" + text + "' is not in the message");
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult succeeds(const Outcome& outcome) {
  if (outcome.code == 0 && ("\n" + outcome.err).find("\ncuelbo: ") == std::string::npos)
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "exit code " << outcome.code << ", standard error:\n"
                                       << outcome.err;
}

}  // namespace cuelbo::test
