#include "tools/lab/source/arguments.hpp"

#include <array>

#include "engine/error.hpp"
#include "tools/lab/call_memory.hpp"
#include "tools/lab/source/code.hpp"
#include "tools/lab/source/number.hpp"

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
    "TYPE is f32, f64, i8, i16, i32, i64, u8, u16, u32 or u64, of arrays also with x2 or x4 behind it";

bool whole(Dtype dtype) { return dtype != Dtype::f32 && dtype != Dtype::f64; }

// Standard normal numbers, or small ones that are at least 0, so that they may be indices.
Fill random_fill(Dtype dtype) {
  return whole(dtype) ? Fill{.kind = Fill::Kind::integers, .scale = 100} : Fill{};
}

void fill(SourceArgument& argument, std::string_view how, const Type& type) {
  Buffer& buffer = argument.buffer;
  if (how == "random") return;
  if (how == "zeros" || how == "ones") {
    buffer.fill = {.kind = Fill::Kind::constant, .scale = how == "ones" ? 1.0 : 0.0};
  } else if (how == "index") {
    buffer.fill = {.kind = Fill::Kind::index};
    const auto last = static_cast<std::uint64_t>(buffer.count()) - 1;
    if (last > largest_index(type.dtype))
      fail("the last index, {}, is more than {} can hold; it counts exactly up to {}", last, type.name,
           largest_index(type.dtype));
  } else {
    argument.element = parse_number(how, type.dtype, type.name).bytes;
  }
}

SourceArgument parse_array(std::string_view text, const Type& type, std::int64_t lanes, std::size_t index) {
  const auto wrong = [&] { fail("this is not understood; the form is {}", form); };
  const std::size_t close = text.find(']');
  if (close == std::string_view::npos) wrong();
  const std::int64_t count = parse_count(trim(text.substr(1, close - 1)));
  if (count > (std::int64_t{1} << 58)) fail("{} elements are more than any memory holds", count);
  SourceArgument argument{
      .type = lanes == 1 ? std::string(type.cpp) : fmt::format("{}{}", type.vector, lanes),
      .array = true,
      .buffer = {.name = fmt::format("argument {}", index + 1),
                 .role = Role::input,
                 .type = type.dtype,
                 .dims = {count * lanes},
                 .fill = random_fill(type.dtype)}};
  std::string_view rest = trim(text.substr(close + 1));
  bool out = false;
  if (rest == "out" || rest.ends_with(" out")) {
    out = true;
    rest = trim(rest.substr(0, rest.size() - 3));
  }
  if (rest.starts_with('=')) {
    fill(argument, trim(rest.substr(1)), type);
    if (out) argument.buffer.role = Role::updated;
  } else if (!rest.empty()) {
    wrong();
  } else if (out) {
    argument.buffer.role = Role::output;
  }
  return argument;
}

SourceArgument parse_argument(std::string_view text, std::size_t index) {
  if (text.empty()) fail("an argument is missing; the form is {}", form);
  const std::size_t name_end = std::min(text.find_first_of("[=x "), text.size());
  const auto* type = types.begin();
  while (type != types.end() && type->name != text.substr(0, name_end)) ++type;
  if (type == types.end()) fail("'{}' is not a type; the form is {}", text.substr(0, name_end), form);
  std::string_view rest = text.substr(name_end);
  std::int64_t lanes = 1;
  if (rest.starts_with("x2") || rest.starts_with("x4")) {
    lanes = rest[1] - '0';
    rest.remove_prefix(2);
  }
  if (rest.starts_with('[')) return parse_array(rest, *type, lanes, index);
  if (!rest.starts_with('=') || lanes != 1) fail("this is not understood; the form is {}", form);
  const std::string_view number = trim(rest.substr(1));
  SourceArgument scalar{.type = std::string(type->cpp), .text = fmt::format("{}={}", type->name, number)};
  scalar.value = parse_number(number, type->dtype, type->name).code;
  return scalar;
}

}  // namespace

std::vector<SourceArgument> parse_source_arguments(const std::string& text) {
  std::vector<SourceArgument> arguments;
  if (trim(text).empty()) return arguments;
  std::vector<Buffer> arrays;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(';', begin), text.size());
    const std::string_view one = trim(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    try {
      arguments.push_back(parse_argument(one, arguments.size()));
      if (!arguments.back().array) continue;
      arrays.push_back(arguments.back().buffer);
      check_call_fits_in_memory(arrays);
    } catch (const Error& error) {
      usage_fail("--args: '{}': {}", one, error.what());
    }
  }
  return arguments;
}

}  // namespace cuelbo::lab
