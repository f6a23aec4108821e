// The description of the options and what is made from it: messages, help, completion, manual pages.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/io/atomic_file.hpp"
#include "tests/support/paths.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CommandLine : public TinyTest {
 protected:
  // Every command that has no commands, as `cuelbo help --json` describes it.
  std::vector<Json> commands() const {
    std::vector<Json> all;
    const std::function<void(const Json&)> add = [&](const Json& command) {
      if (command["commands"].empty()) all.push_back(command);
      for (const Json& inner : command["commands"]) add(inner);
    };
    add(Json::parse(run({"help", "--json"}).out));
    return all;
  }

  // "cuelbo kernels list" → {"kernels", "list"}
  static std::vector<std::string> path_of(const Json& command) {
    std::istringstream words(command["name"].get<std::string>());
    std::vector<std::string> path;
    for (std::string word; words >> word;) path.push_back(word);
    path.erase(path.begin());
    return path;
  }

  std::vector<std::string> complete(std::vector<std::string> words) const {
    words.insert(words.begin(), "__complete");
    const Outcome outcome = run(words);
    EXPECT_TRUE(succeeds(outcome));
    std::istringstream lines(outcome.out);
    std::vector<std::string> candidates;
    for (std::string line; std::getline(lines, line);) candidates.push_back(line.substr(0, line.find('\t')));
    return candidates;
  }

  // The output of a shell script, run in the directory of the test with the built program first in PATH.
  std::string shell(const std::string& program, const std::string& script) const {
    write_file(path("script"), script);
    const std::string folder = std::filesystem::path(cuelbo_program()).parent_path();
    const std::string command = "cd '" + directory_.path().string() + "' && PATH='" + folder + "':$PATH " +
                                program + " script > output 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << content("output");
    return content("output");
  }
};

bool is_installed(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
}

bool in_range(double value, const std::string& range) {
  std::istringstream words(range);
  std::string word;
  while (words >> word) {
    if (word == "and") continue;
    std::string second;
    if (word == "at") words >> second;
    double bound = 0;
    words >> bound;
    if (second == "least" && value < bound) return false;
    if (second == "most" && value > bound) return false;
    EXPECT_THAT(second, ::testing::AnyOf("least", "most")) << range;
  }
  return true;
}

// Every numeric option of every command: a bad value is one short line that names the option and what it must be.
TEST_F(CommandLine, NumbersOutOfRangeAreOneShortLine) {
  const std::map<std::string, std::string> arguments{{"KERNEL", "add/none"}};
  int options = 0;
  for (const Json& command : commands())
    for (const Json& option : command["options"]) {
      if (!option.contains("range")) continue;
      ++options;
      const std::string name = option["names"].back(), range = option["range"];
      std::vector<std::string> words = path_of(command);
      for (const Json& argument : command["arguments"]) {
        const auto found = arguments.find(argument["name"]);
        words.push_back(found == arguments.end() ? "no/such" : found->second);
      }
      for (const Json& other : command["options"])
        if (other["required"].get<bool>()) words.insert(words.end(), {other["names"].back(), "no/such"});
      for (const char* text : {"0", "-1", "nan", "inf", "1e999", "many", "", "nothing"}) {
        SCOPED_TRACE(command["name"].get<std::string>() + " " + name + " " + text);
        std::vector<std::string> all = words;
        all.push_back(name);
        const std::string value = text;
        if (value != "nothing") all.push_back(value);
        const bool taken = (value == "0" && in_range(0, range)) || (value == "-1" && in_range(-1, range));
        const Outcome outcome = run(all);
        if (taken) {
          EXPECT_THAT(outcome.err, Not(HasSubstr(name + " is")));
          continue;
        }
        EXPECT_TRUE(fails(outcome, 2, value == "nothing" ? name + " needs a value" : name + " is "));
        if (value == "0" || value == "-1") {
          EXPECT_THAT(outcome.err, HasSubstr(value + "; it must be " + range));
        }
        EXPECT_LT(outcome.err.size(), 120U) << outcome.err;
        EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
      }
    }
  EXPECT_GE(options, 25);
}

TEST_F(CommandLine, SaysWhatANumberMustBe) {
  const auto refuses = [&](const std::vector<std::string>& words, const std::string& message) {
    EXPECT_TRUE(fails(run(words), 2, message));
  };
  refuses({"train", "tiny.toml", "--steps", "0"}, "--steps is 0; it must be at least 1");
  refuses({"train", "tiny.toml", "--steps=0"}, "--steps is 0; it must be at least 1");
  refuses({"train", "tiny.toml", "--seed", "-1"}, "--seed is -1; it must be at least 0");
  refuses({"objective", "-i", "x", "--groups", "0", "--dataset-size", "0"},
          "--dataset-size is 0; it must be at least 1");
  refuses({"train", "tiny.toml", "--threads", "1e9"},
          "--threads is 1e9; it must be at least 0 and at most 1024");
  refuses({"train", "tiny.toml", "--seed", "9223372036854775808"},
          "--seed is 9223372036854775808; it must be at most 9223372036854775807");
  refuses({"encode", "x", "-i", "x", "-o", "x", "--seed", "18446744073709551616"},
          "it must be at most 18446744073709551615");
  refuses({"train", "tiny.toml", "--steps", "1.5"}, "--steps is 1.5; it must be a whole number");
  refuses({"train", "tiny.toml", "--steps", "1e-999"}, "--steps is 1e-999; it must be a whole number");
  refuses({"train", "tiny.toml", "--steps", "--5"}, "--steps is --5; it must be a whole number");
  refuses({"encode", "--seed", "1e16"}, "--seed is 1e16; it must be written in digits");
  refuses({"train", "tiny.toml", "--steps", "0x10"}, "--steps is '0x10'; it must be a whole number");
  refuses({"train", "tiny.toml", "--steps", std::string(500, 'x')}, "'; it must be a whole number");
  refuses({"kernels", "profile", "--source", "x.cu", "--kernel", "k", "--grid", "1,0"},
          "--grid is 0; it must be at least 1");
  for (const char* option : {"--grid", "--block"})
    for (const char* list : {"32,", ",32", "1,,2", ","})
      refuses({"kernels", "profile", "--source", "x.cu", "--kernel", "k", option, list},
              std::string(option) + " is ''; it must be a whole number");
  refuses({"evaluate", "x", "--precision", "fp16"}, "--precision is 'fp16'; it must be fp32 or bf16");
  refuses({"export", "x", "-o", "x", "--format", "pickle"}, "--format is 'pickle'; it must be safetensors");
  refuses({"train", "tiny.toml", "--steps", "1", "--steps", "2"}, "--steps is given 2 times");
  refuses({"train", "tiny.toml", "--steps"}, "--steps needs a value; see `cuelbo train --help`");
  refuses({"kernels"},
          "name a command, list, check, run, profile, bench or report; see `cuelbo kernels --help`");
  refuses({"completion", "tcsh"}, "SHELL is 'tcsh'; it must be bash, zsh or fish");
  refuses({"train", "tiny.toml", "--output", ""}, "--output is empty; it must be a path");
  for (const char* command : {"evaluate", "traverse"})
    refuses({command, "model", "--data", ""}, "--data is empty; it must be a path");
  refuses({"--", "train"}, "a command comes before --");
  refuses({"--quite", "presets"}, "no option '--quite' (did you mean '--quiet'?)");
  refuses({"--stps", "presets"}, "cuelbo: no option '--stps'");
  refuses({"--steps=5", "train", "tiny.toml"}, "cuelbo: --steps goes behind 'train'");
  refuses({"kernels", "--order", "reverse", "check"}, "cuelbo: --order goes behind 'check'");
  refuses({"kernels", "check", "--ordr", "x"},
          "cuelbo: kernels check: no option '--ordr' (did you mean '--order'?)");
  EXPECT_LT(run({"train", std::string(100'000, 'a')}).err.size(), 200U);
  // Numbers are decimal, and 1e1 is ten.
  train("ten", {"--steps", "1e1"});
  train("eight", {"--steps", "010"});
  EXPECT_EQ(content("ten/config.toml"), content("eight/config.toml"));
  EXPECT_THAT(content("ten/config.toml"), HasSubstr("steps = 10\n"));
}

TEST_F(CommandLine, HelpIsThatOfTheCommand) {
  for (const Json& command : commands()) {
    const std::vector<std::string> path = path_of(command);
    std::vector<std::string> option = path, help = path;
    option.emplace_back("--help");
    help.insert(help.begin(), "help");
    const Outcome by_option = run(option), by_command = run(help);
    EXPECT_TRUE(succeeds(by_option));
    EXPECT_EQ(by_option.out, by_command.out);
    EXPECT_THAT(by_option.out, HasSubstr("Usage: " + command["name"].get<std::string>()));
    EXPECT_THAT(by_option.out, Not(HasSubstr("ENUM")));
  }
  EXPECT_EQ(run({"help"}).out, run({"--help"}).out);
  EXPECT_TRUE(fails(run({"help", "trian"}), 2, "cuelbo has no command 'trian' (did you mean 'train'?)"));
  EXPECT_TRUE(fails(run({"help", "kernels", "lst"}), 2, "did you mean 'list'?"));
}

TEST_F(CommandLine, CompletesCommandsOptionsAndValues) {
  EXPECT_THAT(complete({"tr"}), ElementsAre("train", "traverse"));
  EXPECT_THAT(complete({""}), AllOf(Contains("evaluate"), Contains("kernels"), Not(Contains("__complete"))));
  EXPECT_THAT(complete({"kernels", "re"}), ElementsAre("report"));
  EXPECT_THAT(complete({"train", "--st"}), ElementsAre("--steps"));
  EXPECT_THAT(complete({"evaluate", "model", "--precision", ""}), ElementsAre("fp32", "bf16"));
  EXPECT_THAT(complete({"evaluate", "model", "--precision=b"}), ElementsAre("bf16"));
  EXPECT_THAT(complete({"evaluate", "model", "--precision", "=", "b"}), ElementsAre("bf16"));
  EXPECT_THAT(complete({"evaluate", "model", "--precision", "="}), ElementsAre("fp32", "bf16"));
  EXPECT_THAT(complete({"train", "hfvae-m"}), ElementsAre("hfvae-mnist", ":files"));
  EXPECT_THAT(complete({"train", "hfvae-mnist", "--set", "optimizer.adam.beta"}),
              ElementsAre("optimizer.adam.beta1=", "optimizer.adam.beta2=", ":unfinished"));
  EXPECT_THAT(complete({"train", "--set", "seed=1", "--resume", ""}), ElementsAre(":directories"));
  EXPECT_THAT(complete({"report", ""}), ElementsAre(":directories"));
  EXPECT_THAT(complete({"encode", "model", "-i", ""}), ElementsAre(":files"));
  EXPECT_THAT(complete({"encode", "model", "--device", "s"}), ElementsAre("simt", "simt-checked"));
  EXPECT_THAT(complete({"kernels", "check", "softmax"}), Contains("softmax_forward"));
  EXPECT_THAT(complete({"help", "kernels", "ch"}), ElementsAre("check"));
  EXPECT_THAT(complete({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
  EXPECT_THAT(complete({"train", "a", "b"}), ElementsAre());
  EXPECT_THAT(complete({"nonsense", "--nothing", "\xff"}), ElementsAre());
}

TEST_F(CommandLine, CompletionLoadsInBash) {
  write_file(path("image one.npy"), "");
  const std::string output = shell("bash", R"(
source <(cuelbo completion bash)
ask() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  _cuelbo
  printf '%s\n' "$*: ${COMPREPLY[*]}"
}
complete -p cuelbo
ask cuelbo tra
ask cuelbo evaluate model --precision = b
ask cuelbo encode model -i 'image o'
ask cuelbo kernels check --dev
)");
  EXPECT_EQ(output,
            "complete -F _cuelbo cuelbo\n"
            "cuelbo tra: train traverse\n"
            "cuelbo evaluate model --precision = b: bf16\n"
            "cuelbo encode model -i image o: image one.npy\n"
            "cuelbo kernels check --dev: --device\n");
}

TEST_F(CommandLine, CompletionLoadsInZsh) {
  if (!is_installed("zsh")) GTEST_SKIP() << "zsh is not installed";
  EXPECT_EQ(shell("zsh -f",
                  "autoload -Uz compinit && compinit -u -d dump\n"
                  "source <(cuelbo completion zsh)\necho $_comps[cuelbo]\n"),
            "_cuelbo\n");
}

TEST_F(CommandLine, CompletionLoadsInFish) {
  if (!is_installed("fish")) GTEST_SKIP() << "fish is not installed";
  EXPECT_EQ(shell("env HOME=. fish -N",
                  "cuelbo completion fish | source\n"
                  "complete -C 'cuelbo tra' | string replace -r '\\t.*' ''\n"
                  "complete -C 'cuelbo evaluate model --precision ' | string replace -r '\\t.*' ''\ntrue\n"),
            "train\ntraverse\nbf16\nfp32\n");
}

TEST_F(CommandLine, ManualPagesAreCleanRoff) {
  for (const Json& command : commands()) {
    std::vector<std::string> words = path_of(command);
    words.insert(words.begin(), "man");
    const Outcome outcome = run(words);
    ASSERT_TRUE(succeeds(outcome));
    EXPECT_THAT(outcome.out, StartsWith(".TH "));
    for (const Json& option : command["options"]) {
      std::string name = option["names"].back();
      for (std::size_t at = 0; (at = name.find('-', at)) != std::string::npos; at += 2) name.insert(at, "\\");
      EXPECT_THAT(outcome.out, HasSubstr("\\fB" + name + "\\fR")) << command["name"];
    }
    std::ofstream(path("page.1"), std::ios::app) << outcome.out;
  }
  EXPECT_THAT(run({"man"}).out, HasSubstr("cuelbo\\-train"));
  if (!is_installed("groff")) GTEST_SKIP() << "groff is not installed";
  EXPECT_EQ(shell("bash", "groff -K utf8 -man -Tutf8 -ww page.1 2>&1 >/dev/null"), "");
}

}  // namespace
}  // namespace cuelbo::test
