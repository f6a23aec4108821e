#include "tools/completion.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "models/config_schema.hpp"
#include "tools/command_line.hpp"
#include "tools/command_tree.hpp"
#include "tools/commands.hpp"
#include "tools/lab/contract.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

constexpr const char* bash_script = R"(# bash completion of cuelbo: source <(cuelbo completion bash)
_cuelbo() {
  local program=${COMP_WORDS[0]/#\~/$HOME} current=${COMP_WORDS[COMP_CWORD]} line kind=
  [[ $current == = ]] && current=
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :*) kind=${line#:} ;;
      *) COMPREPLY+=("${line%%$'\t'*}") ;;
    esac
  done < <("$program" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  local generate=
  case $kind in
    files) generate=-f ;;
    directories) generate=-d ;;
    unfinished) compopt -o nospace 2>/dev/null ;;
  esac
  if [[ $generate ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$generate" -- "$current")
  fi
}
complete -F _cuelbo cuelbo
)";

constexpr const char* zsh_script = R"(#compdef cuelbo
# zsh completion of cuelbo: source <(cuelbo completion zsh), or as a file _cuelbo in a folder of $fpath
_cuelbo() {
  local line kind= candidate
  local -a candidates
  while IFS= read -r line; do
    case $line in
      :*) kind=${line#:} ;;
      *$'\t'*) candidate=${line%%$'\t'*}; candidates+=("${candidate//:/\\:}:${line#*$'\t'}") ;;
      *) candidates+=("${line//:/\\:}") ;;
    esac
  done < <(${~words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  [[ ${words[CURRENT]} == --*=* ]] && compset -P '*='
  if [[ $kind == unfinished ]]; then
    _describe cuelbo candidates -S ''
  else
    _describe cuelbo candidates
  fi
  case $kind in
    files) _files ;;
    directories) _files -/ ;;
  esac
}
if [[ $funcstack[1] == _cuelbo ]]; then _cuelbo "$@"; else compdef _cuelbo cuelbo; fi
)";

constexpr const char* fish_script = R"(# fish completion of cuelbo: cuelbo completion fish | source
function __cuelbo_complete
    set -l last (commandline -ct)
    set -l words (commandline -opc) "$last"
    set -l option (string match -r -- '^--[^=]+=' $words[-1])  # of --option=value
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path (commandline -ct)
            case ':directories'
                __fish_complete_directories (commandline -ct)
            case ':*'
            case '*'
                echo "$option$line"
        end
    end
end
complete -c cuelbo -f -a '(__cuelbo_complete)'
)";

struct CompletionOptions {
  std::string shell;
};

// Lines for the shell.
class Candidates {
 public:
  explicit Candidates(std::string prefix) : prefix_(std::move(prefix)) {}

  void add(std::string_view candidate, std::string_view description = "") {
    if (!candidate.starts_with(prefix_)) return;
    text_ += description.empty() ? fmt::format("{}\n", candidate)
                                 : fmt::format("{}\t{}\n", candidate, description);
  }
  void add(const std::vector<std::string>& candidates) {
    for (const std::string& candidate : candidates) add(candidate);
  }
  void set_kind(const char* kind) { kind_ = fmt::format(":{}\n", kind); }
  std::string text() const { return text_ + kind_; }

 private:
  std::string prefix_, text_, kind_;
};

// Keys of the configuration that --set can name without an index.
void add_config_keys(Candidates& candidates) {
  for (const std::string& key : config_keys())
    if (key.find("layers") == std::string::npos && !key.starts_with("latent")) candidates.add(key + "=");
  candidates.set_kind("unfinished");
}

void add_commands(Candidates& candidates, const CLI::App& command) {
  for (const CLI::App* inner : subcommands(command))
    candidates.add(inner->get_name(), inner->get_description());
}

void add_options(Candidates& candidates, const CLI::App& command) {
  for (const CLI::Option* option : named_options(command))
    for (const std::string& name : names_of(*option)) candidates.add(name, option->get_description());
}

void add_values(Candidates& candidates, const CLI::Option& option) {
  const std::string kind = value_name(option);
  candidates.add(values_of(option).names);
  if (kind == "FILE" || kind == "CONFIG") candidates.set_kind("files");
  if (kind == "DIR") candidates.set_kind("directories");
  if (kind == "DEVICE") candidates.add({"auto", "cpu", "cuda", "simt", "simt-checked"});
  if (kind == "KEY=VALUE") add_config_keys(candidates);
  if (kind == "CONFIG" || kind == "PRESET")
    for (const Preset& preset : presets()) candidates.add(preset.name, preset.description);
  if (kind == "KERNEL")
    for (const auto& contract : lab::contracts()) candidates.add(contract->name());
}

const CLI::Option* find_option(const CLI::App& command, std::string_view name) {
  for (const CLI::Option* option : named_options(command)) {
    const auto names = names_of(*option);
    if (std::ranges::find(names, name) != names.end()) return option;
  }
  return nullptr;
}

// The command that the words have reached.
class Place {
 public:
  explicit Place(const CLI::App& root) : root_(&root), command_(&root) {}

  void pass(const std::string& word) {
    if (word == "=") return;  // of --option=value, which bash takes for three words
    if (option_ != nullptr) {
      option_ = nullptr;
    } else if (word == "--" && !only_arguments_) {
      only_arguments_ = true;
    } else if (word.starts_with('-') && !only_arguments_) {
      const CLI::Option* option = find_option(*command_, word);
      if (option != nullptr && !value_name(*option).empty()) option_ = option;
    } else if (!descend(word)) {
      arguments_.push_back(word);
    }
  }

  std::string complete(const std::string& word) const {
    const std::size_t equals = word.find('=');
    if (option_ == nullptr && word.starts_with('-') && !only_arguments_ && equals != std::string::npos) {
      Candidates candidates(word.substr(equals + 1));
      const CLI::Option* option = find_option(*command_, word.substr(0, equals));
      if (option != nullptr) add_values(candidates, *option);
      return candidates.text();
    }
    Candidates candidates(word == "=" ? "" : word);
    if (option_ != nullptr)
      add_values(candidates, *option_);
    else if (word.starts_with('-') && !only_arguments_)
      add_options(candidates, *command_);
    else
      add_argument(candidates);
    return candidates.text();
  }

 private:
  bool descend(const std::string& word) {
    for (const CLI::App* inner : subcommands(*command_)) {
      if (inner->get_name() != word) continue;
      command_ = inner;
      return true;
    }
    return false;
  }

  void add_argument(Candidates& candidates) const {
    add_commands(candidates, *command_);
    const auto arguments = positional_options(*command_);
    if (arguments.empty()) return;
    const CLI::Option& argument = *arguments[std::min(arguments_.size(), arguments.size() - 1)];
    if (arguments_.size() >= arguments.size() && argument.get_items_expected_max() == 1) return;
    if (value_name(argument) != "COMMAND") return add_values(candidates, argument);
    try {
      add_commands(candidates, find_command(*root_, arguments_));
    } catch (const std::exception&) {
      return;  // the words before lead to no command
    }
  }

  const CLI::App *root_, *command_;
  const CLI::Option* option_ = nullptr;  // the next word is its value
  bool only_arguments_ = false;
  std::vector<std::string> arguments_;
};

}  // namespace

std::string complete(const CLI::App& root, const std::vector<std::string>& words) {
  Place place(root);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) place.pass(words[i]);
  return place.complete(words.empty() ? "" : words.back());
}

void add_completion(CLI::App& app, Run& run) {
  add_command<CompletionOptions>(
      app, run, "completion", "Print a script that completes commands, options and values in a shell",
      [](CLI::App& command, CompletionOptions& options) {
        limit_to(command.add_option("SHELL", options.shell, "The shell"), {"bash", "zsh", "fish"})
            ->required();
      },
      [](const CompletionOptions& options) {
        const std::string script = options.shell == "bash"  ? bash_script
                                   : options.shell == "zsh" ? zsh_script
                                                            : fish_script;
        print_text(script, {{"shell", options.shell}, {"script", script}});
        return exit_done;
      });
}

}  // namespace cuelbo
