// `cuelbo man`: manual pages.
#include <cstdint>

#include <fmt/format.h>

#include "models/version.hpp"
#include "tools/command_line.hpp"
#include "tools/command_tree.hpp"
#include "tools/commands.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

struct ManOptions {
  std::vector<std::string> command;
};

// Text for roff: hyphens that can be copied, backslashes, no control lines, and \[u00D7] for what is not ASCII.
std::string roff(std::string_view text) {
  std::string result;
  bool line_begins = true;
  char32_t point = 0;  // of a UTF-8 sequence that is not over
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (const auto byte = static_cast<unsigned char>(c); byte >= 0x80) {
      const bool first = byte >= 0xc0;
      point = first ? byte & (byte < 0xe0 ? 0x1fU : byte < 0xf0 ? 0xfU : 7U) : point << 6 | (byte & 0x3fU);
      const bool last = i + 1 == text.size() || (static_cast<unsigned char>(text[i + 1]) & 0xc0U) != 0x80;
      if (last) result += fmt::format("\\[u{:04X}]", static_cast<std::uint32_t>(point));
      line_begins = false;
      continue;
    }
    if (line_begins && (c == '.' || c == '\'')) result += "\\&";
    line_begins = c == '\n';
    if (c == '-')
      result += "\\-";
    else if (c == '\\')
      result += "\\e";
    else if (c == '\'')
      result += "\\(aq";
    else if (c == '`' || c == '^' || c == '~')
      result += c == '`' ? "\\(ga" : c == '^' ? "\\(ha" : "\\(ti";
    else
      result += c;
  }
  return result;
}

std::string page_name(const CLI::App& command) {
  std::string name = full_name(command);
  for (char& c : name)
    if (c == ' ') c = '-';
  return name;
}

std::string option_entry(const CLI::Option& option) {
  std::string names;
  if (option.get_positional()) {
    names = fmt::format("\\fI{}\\fR", roff(option.get_name(/*positional=*/true)));
  } else {
    for (const std::string& name : names_of(option))
      names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
    if (const std::string value = value_name(option); !value.empty())
      names += fmt::format(" \\fI{}\\fR", roff(value));
  }
  std::string text = option.get_description();
  if (const std::string range = values_of(option).range; !range.empty()) text += fmt::format("; {}", range);
  if (option.get_required()) text += "; required";
  if (!option.get_default_str().empty()) text += fmt::format(" [{}]", option.get_default_str());
  return fmt::format(".TP\n{}\n{}\n", names, roff(text));
}

std::string synopsis(const CLI::App& command) {
  std::string line = fmt::format(".B {}\n[\\fIOPTIONS\\fR]", roff(full_name(command)));
  for (const CLI::Option* option : positional_options(command)) {
    const std::string name = fmt::format("\\fI{}\\fR", roff(option->get_name(/*positional=*/true)));
    const char* more = option->get_items_expected_max() > 1 ? "..." : "";
    line += option->get_required() ? fmt::format(" {}{}", name, more) : fmt::format(" [{}{}]", name, more);
  }
  if (!subcommands(command).empty()) line += " \\fICOMMAND\\fR";
  return line + "\n";
}

std::string manual_page(const CLI::App& command) {
  const std::string name = page_name(command);
  std::string page =
      fmt::format(".TH \"{}\" \"1\" \"\" \"cuelbo {}\" \"User commands\"\n", roff(name), roff(version()));
  page += fmt::format(".SH NAME\n{} \\- {}\n", roff(name), roff(command.get_description()));
  page += fmt::format(".SH SYNOPSIS\n{}", synopsis(command));
  if (const auto arguments = positional_options(command); !arguments.empty()) {
    page += ".SH ARGUMENTS\n";
    for (const CLI::Option* option : arguments) page += option_entry(*option);
  }
  if (const auto commands = subcommands(command); !commands.empty()) {
    page += ".SH COMMANDS\n";
    for (const CLI::App* inner : commands)
      page +=
          fmt::format(".TP\n\\fB{}\\fR(1)\n{}\n", roff(page_name(*inner)), roff(inner->get_description()));
  }
  page += ".SH OPTIONS\n";
  for (const CLI::Option* option : named_options(command)) page += option_entry(*option);
  const CLI::App* parent = command.get_parent();
  page += fmt::format(".SH EXIT STATUS\n{}\n", roff(exit_codes_text));
  if (parent != nullptr) page += fmt::format(".SH SEE ALSO\n\\fB{}\\fR(1)\n", roff(page_name(*parent)));
  return page;
}

}  // namespace

void add_man(CLI::App& app, Run& run) {
  add_command<ManOptions>(
      app, run, "man", "Print the manual page of a command: cuelbo man train | man -l -",
      [](CLI::App& command, ManOptions& options) {
        command.add_option("COMMAND", options.command,
                           "As in `cuelbo man kernels check`; cuelbo itself if left out");
      },
      [&app](const ManOptions& options) {
        const CLI::App& command = find_command(app, options.command);
        const std::string page = manual_page(command);
        print_text(page, {{"command", full_name(command)}, {"page", page}});
        return exit_done;
      });
}

}  // namespace cuelbo
