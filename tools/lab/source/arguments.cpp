#include "tools/lab/source/arguments.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include "engine/error.hpp"
#include "tools/lab/source/code.hpp"

namespace cuelbo::lab {

namespace {

struct Type {
  std::string_view name, cpp, vector;  // vector: what CUDA's float4 begins with
  Dtype dtype;
};
constexpr std::array types{
    Type{"f32", "float", "float", Dtype::f32},
    Type{"i32", "int", "int", Dtype::i32},
    Type{"u32", "unsigned", "uint", Dtype::u32},
    Type{"u8", "unsigned char", "uchar", Dtype::u8},
    Type{"i8", "signed char", "char", Dtype::i8},
    Type{"u16", "unsigned short", "ushort", Dtype::u16},
    Type{"i16", "short", "short", Dtype::i16},
    Type{"u64", "unsigned long long", "ulonglong", Dtype::u64},
    Type{"i64", "long long", "longlong", Dtype::i64},
    Type{"f64", "double", "double", Dtype::f64},
};

constexpr const char* form =
    "TYPE[COUNT], TYPE[COUNT]=random|zeros|ones|index|NUMBER, either with ' out' behind it, or TYPE=NUMBER; "
    "TYPE is f32, "
    "f64, i8, i16, i32, i64, u8, u16, u32 or u64, of arrays also with x2 or x4 behind it";

double number(std::string_view text, std::string_view argument) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    usage_fail("--args: '{}': '{}' is no number; expected is {}", argument, text, form);
  return value;
}

bool whole(Dtype dtype) { return dtype != Dtype::f32 && dtype != Dtype::f64; }

// Standard normal numbers, or small ones that are at least 0, so that they may be indices.
Fill random_fill(Dtype dtype) {
  return whole(dtype) ? Fill{.kind = Fill::Kind::integers, .scale = 100} : Fill{};
}

Fill fill_of(std::string_view how, Dtype dtype, std::string_view argument) {
  if (how == "random") return random_fill(dtype);
  if (how == "zeros") return {.kind = Fill::Kind::constant, .scale = 0};
  if (how == "ones") return {.kind = Fill::Kind::constant, .scale = 1};
  if (how == "index") return {.kind = Fill::Kind::index};
  return {.kind = Fill::Kind::constant, .scale = number(how, argument)};
}

SourceArgument parse_argument(std::string_view text, std::size_t index) {
  const std::size_t name_end = std::min(text.find_first_of("[=x "), text.size());
  const auto* type = types.begin();
  while (type != types.end() && type->name != text.substr(0, name_end)) ++type;
  if (type == types.end())
    usage_fail("--args: '{}': '{}' is no type; expected is {}", text, text.substr(0, name_end), form);
  SourceArgument argument{.type = std::string(type->cpp)};
  std::string_view rest = text.substr(name_end);
  std::int64_t lanes = 1;
  if (rest.starts_with("x2") || rest.starts_with("x4")) {
    lanes = rest[1] - '0';
    argument.type = fmt::format("{}{}", type->vector, lanes);
    rest.remove_prefix(2);
  }
  const auto wrong = [&] { usage_fail("--args: '{}' is not understood; expected is {}", text, form); };
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) wrong();
    const double count = number(trim(rest.substr(1, close - 1)), text);
    if (count < 1 || count != std::floor(count) || count > 0x1p40)
      usage_fail("--args: '{}': an array has a whole number of elements, from 1 on", text);
    rest = trim(rest.substr(close + 1));
    argument.array = true;
    argument.buffer = {.name = fmt::format("argument {}", index + 1),
                       .role = Role::input,
                       .type = type->dtype,
                       .dims = {static_cast<std::int64_t>(count) * lanes},
                       .fill = random_fill(type->dtype)};
    bool out = false;
    if (rest == "out" || rest.ends_with(" out")) {
      out = true;
      rest = trim(rest.substr(0, rest.size() - 3));
    }
    if (rest.starts_with('=')) {
      argument.buffer.fill = fill_of(trim(rest.substr(1)), type->dtype, text);
      if (out) argument.buffer.role = Role::updated;
    } else if (!rest.empty()) {
      wrong();
    } else if (out) {
      argument.buffer.role = Role::output;
    }
  } else {
    if (!rest.starts_with('=') || lanes != 1) wrong();
    const std::string_view value = trim(rest.substr(1));
    const double parsed = number(value, text);
    if (whole(type->dtype) && parsed != std::floor(parsed))
      usage_fail("--args: '{}': {} holds whole numbers", text, type->name);
    argument.value = value;
  }
  return argument;
}

}  // namespace

std::vector<SourceArgument> parse_source_arguments(const std::string& text) {
  std::vector<SourceArgument> arguments;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(';', begin), text.size());
    const std::string_view one = trim(std::string_view(text).substr(begin, end - begin));
    if (!one.empty()) arguments.push_back(parse_argument(one, arguments.size()));
    begin = end + 1;
  }
  return arguments;
}

}  // namespace cuelbo::lab
