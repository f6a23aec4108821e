// The output of commands: results to standard output; everything else, by note(), to standard error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json_fwd.hpp>

namespace cuelbo {

// -q and --json, as the command line of this process sets them.
struct OutputOptions {
  bool quiet = false;  // note() and show_live() print nothing
  bool json = false;   // results and errors are JSON on standard output
};
OutputOptions& output_options();

inline bool json_wanted() { return output_options().json; }

// One line on standard error, unless -q. It never fails: a closed pipe must not end a training run.
void print_note(std::string_view line);

template <class... Args>
void note(fmt::format_string<Args...> format, Args&&... args) {
  print_note(fmt::format(format, std::forward<Args>(args)...));
}

// "cuelbo: message" on standard error, even under -q. With --json also {"error": {"message", "exit_code"}} on standard
// output, unless a JSON document is there already: it never holds two.
void print_error(std::string_view message, int exit_code) noexcept;

// Whether standard error is a terminal on which a line can be redrawn: not with TERM=dumb.
bool has_live_line();
// Draws `line` (ASCII, no wider than the terminal) where the cursor is; the next line of any kind takes its place.
// No escape sequences are used.
void show_live(std::string_view line);
void keep_live();  // the line stays, and the cursor goes to a fresh line

// A small JSON object, without the header of the JSON library.
struct Field;
using Fields = std::vector<Field>;
struct Field {
  std::string name;
  std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
               std::vector<std::string>, std::vector<Fields>>
      value;
};

// Prints JSON and a newline. Bytes that are not UTF-8 become U+FFFD, NaN and Inf become null.
void print_json(const nlohmann::ordered_json& json);
void print_json(const Fields& object);
void print_json(const std::vector<Fields>& array);
void print_json_line(const Fields& object);  // one of several, on one line
void print_line(std::string_view line);      // a result

// A result on one line: the text, or under --json the fields.
void print_result(std::string_view text, const Fields& fields);
// The same for text that ends its own lines.
void print_text(std::string_view text, const Fields& fields);

}  // namespace cuelbo
