#include "tools/output.hpp"

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "engine/error.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

bool document_printed = false;  // JSON is on standard output, which holds one document
std::size_t live_width = 0;     // columns of the line that is drawn where the cursor is

// Write errors are ignored.
void write_to_stderr(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

void erase_live() {
  if (live_width > 0) write_to_stderr(fmt::format("\r{:{}}\r", "", live_width));
  live_width = 0;
}

Json to_json(const Fields& fields) {
  Json object = Json::object();
  for (const Field& field : fields)
    std::visit(
        [&]<class Value>(const Value& value) {
          if constexpr (std::is_same_v<Value, std::vector<Fields>>) {
            Json array = Json::array();
            for (const Fields& item : value) array.push_back(to_json(item));
            object[field.name] = array;
          } else {
            object[field.name] = value;
          }
        },
        field.value);
  return object;
}

std::string text_of(const Json& json, int indent) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace

OutputOptions& output_options() {
  static OutputOptions options;
  return options;
}

void print_note(std::string_view line) {
  if (output_options().quiet) return;
  erase_live();
  write_to_stderr(fmt::format("{}\n", line));
}

void print_error(std::string_view message, int exit_code) noexcept {
  try {
    keep_live();
    const std::string line = one_line(message);
    write_to_stderr(fmt::format("cuelbo: {}\n", line));
    if (json_wanted() && !document_printed) {
      const std::string json = text_of({{"error", {{"message", line}, {"exit_code", exit_code}}}}, -1) + '\n';
      std::fwrite(json.data(), 1, json.size(), stdout);
      std::fflush(stdout);
    }
  } catch (...) {
    write_to_stderr("cuelbo: not enough memory for a message\n");
  }
}

bool has_live_line() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

void show_live(std::string_view line) {
  if (output_options().quiet) return;
  erase_live();
  write_to_stderr(line);
  std::fflush(stderr);
  live_width = line.size();
}

void keep_live() {
  if (live_width > 0) write_to_stderr("\n");
  live_width = 0;
}

void print_line(std::string_view line) {
  erase_live();
  fmt::print("{}\n", line);
}

void print_json(const Json& json) {
  document_printed = true;
  print_line(text_of(json, 2));
}

void print_json(const Fields& object) { print_json(to_json(object)); }

void print_json(const std::vector<Fields>& array) {
  Json json = Json::array();
  for (const Fields& object : array) json.push_back(to_json(object));
  print_json(json);
}

void print_json_line(const Fields& object) { print_line(text_of(to_json(object), -1)); }

void print_result(std::string_view text, const Fields& fields) {
  if (json_wanted())
    print_json(fields);
  else
    print_line(text);
}

void print_text(std::string_view text, const Fields& fields) {
  if (json_wanted())
    print_json(fields);
  else
    fmt::print("{}", text);
}

}  // namespace cuelbo
