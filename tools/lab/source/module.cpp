#include "tools/lab/source/module.hpp"

#include <dlfcn.h>
#include <fstream>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"
#include "tools/lab/run_program.hpp"
#include "tools/lab/source/rewrite.hpp"
#include "tools/lab/source/unfilled.hpp"
#include "tools/output.hpp"

namespace cuelbo::lab {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// The options with which the build compiled simt-checked, stored beside it.
Json build_options() {
  const fs::path file = device_module_folder() / "cuelbo_source_module.json";
  if (!fs::exists(file))
    fail(
        "'{}' is missing: the device simt-checked was not built; it needs the CUDA headers: bash "
        "tools/setup.sh, then "
        "build again",
        file.string());
  std::ifstream in(file);
  return Json::parse(in);
}

void check_kernel(const std::string& kernel, const std::string& text, const fs::path& file) {
  std::string name = kernel.substr(0, kernel.find('<'));
  if (const std::size_t scope = name.rfind(':'); scope != std::string::npos) name = name.substr(scope + 1);
  const std::vector<std::string> names = kernel_names(text);
  if (names.empty()) usage_fail("'{}' has no __global__ function", file.string());
  if (std::ranges::find(names, name) == names.end())
    usage_fail("--kernel: '{}' has no kernel '{}'{}; it has {}", file.string(), name,
               did_you_mean(name, names), fmt::join(names, ", "));
}

// A declaration for each number: the compiler refuses it if the kernel's parameter cannot hold it. AnyNumber tells
// whether the parameter has an arithmetic type; if it is deduced from the number, it holds it.
std::string check_numbers(const std::vector<SourceArgument>& arguments,
                          const std::vector<std::string>& types) {
  std::string checks;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].array) continue;
    const auto takes = [&](const std::string& number) {
      std::vector<std::string> with = types;
      with[i] = "::cuelbo::lab::" + number;
      return fmt::format("::std::is_invocable_v<decltype({}_kernel), {}>", simt::source_launch_symbol,
                         fmt::join(with, ", "));
    };
    checks += fmt::format(
        "static_assert(!{} || {}, \"'{}': parameter {} of the kernel cannot hold this number\");\n",
        takes("AnyNumber"), takes(fmt::format("ExactNumber<{}>", arguments[i].value)), arguments[i].text,
        i + 1);
  }
  return checks;
}

// The checks and the launch. Between them is a plain call, for which the compiler warns of numbers that a parameter of
// class type would change. Arrays of 64-bit integers and of bytes are passed as IntegerArray if the kernel does not take the pointers.
std::string launch_function(const std::string& kernel, const std::vector<SourceArgument>& arguments) {
  const std::string as_any_integer = fmt::format("{}_as_any_integer", simt::source_launch_symbol);
  const auto types = [&](std::string_view as_any) {
    std::vector<std::string> names;
    for (const SourceArgument& argument : arguments)
      names.push_back(argument.array
                          ? fmt::format("::cuelbo::lab::ArrayArgument<{}, {}>", as_any, argument.type)
                          : argument.type);
    return names;
  };
  std::vector<std::string> values;
  int arrays = 0;
  for (const SourceArgument& argument : arguments)
    values.push_back(argument.array
                         ? fmt::format("::cuelbo::lab::array_argument<{}>(static_cast<{}*>(call.arrays[{}]))",
                                       as_any_integer, argument.type, arrays++)
                         : argument.value);
  return fmt::format(
      "\n#line 1 \"--kernel {0} --args\"\n"
      "[[maybe_unused]] static constexpr auto {1}_kernel = []<class... Arguments>(Arguments... arguments) -> "
      "void requires requires {{ {0}(arguments...); }} {{}};\n"
      "[[maybe_unused]] static constexpr bool {6} = "
      "!::std::is_invocable_v<decltype({1}_kernel){3}{4}>;\n"
      "{5}"
      "#pragma GCC diagnostic push\n"
      "#pragma GCC diagnostic error \"-Woverflow\"\n"
      "#pragma GCC diagnostic error \"-Wfloat-conversion\"\n"
      "#pragma GCC diagnostic error \"-Wsign-conversion\"\n"
      "[[maybe_unused]] static void {1}_as_given(const ::cuelbo::simt::SourceCall& call) {{ {0}({2}); }}\n"
      "#pragma GCC diagnostic pop\n"
      "extern \"C\" [[gnu::visibility(\"default\")]] const char* {1}(const ::cuelbo::simt::SourceCall& call) "
      "{{ ::cuelbo::simt::configure(call)([=](auto... arguments) {{ {0}(arguments...); }}{3}{2}); "
      "const cudaError_t error = cudaGetLastError(); "
      "return error == cudaSuccess ? nullptr : cudaGetErrorString(error); }}\n",
      kernel, simt::source_launch_symbol, fmt::join(values, ", "), arguments.empty() ? "" : ", ",
      fmt::join(types("false"), ", "), check_numbers(arguments, types(as_any_integer)), as_any_integer);
}

// The first error of the compiler, which names the user's file and line, or of the linker.
std::string first_error(const std::string& messages) {
  for (const char* const sign : {"error: ", "undefined reference"}) {
    const std::size_t at = messages.find(sign);
    if (at == std::string::npos || messages.compare(at, 12, "error: ld re") == 0) continue;
    const std::size_t begin = messages.rfind('\n', at) + 1;
    // The launch that --args describes is not in the user's file.
    if (messages.compare(begin, 9, "--kernel ") == 0) {
      constexpr std::string_view ours = "error: static assertion failed: ";
      const std::size_t text = messages.compare(at, ours.size(), ours) == 0 ? at + ours.size() : at;
      return messages.substr(begin, messages.find(" --args:", begin) + 7 - begin) + ": " +
             messages.substr(text, messages.find('\n', text) - text);
    }
    return messages.substr(begin, messages.find('\n', at) - begin);
  }
  return messages;
}

// Runs the compiler with the options of the build's step, in which %s is replaced by `rest`.
void run_compiler(const Json& options, const char* step, const std::vector<std::string>& rest) {
  std::vector<std::string> command{options.at("compiler")};
  for (const auto& option : options.at(step)) {
    if (option == "%s")
      command.insert(command.end(), rest.begin(), rest.end());
    else
      command.push_back(option);
  }
  const ProgramOutput done = run_program(command);
  if (done.code == 127) fail("{}; --source needs the C++ compiler that built cuelbo", done.err);
  if (done.code != 0) fail("{}", first_error(done.err));
}

// Initialisers of host variables would run when the module is loaded; they may exit, print or throw. Those that the
// compiler adds for its instrumentation have a priority, and therefore a section of their own.
void drop_initialisers(const fs::path& object) {
  const ProgramOutput done = run_program({"objcopy", "--remove-section=.init_array", object.string()});
  if (done.code != 0)
    fail("--source needs objcopy of the binutils: {}", done.err.substr(0, done.err.find('\n')));
}

// As an editor on Windows may write it: with a byte order mark in front and CR LF at the end of lines.
std::string read_text(const fs::path& file) {
  const std::vector<std::byte> bytes =
      in_context(fmt::format("'{}'", file.string()), [&] { return read_file(file); });
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark)) text.erase(0, byte_order_mark.size());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text.compare(i, 2, "\r\n") != 0) text[kept++] = text[i];
  text.resize(kept);
  return text;
}

}  // namespace

SourceModule::SourceModule(const fs::path& file, const std::string& kernel,
                           const std::vector<SourceArgument>& arguments) {
  const std::string text = read_text(file);
  check_kernel(kernel, text, file);
  for (const UnfilledVariable& variable : unfilled_variables(text))
    note("{}:{}: '{}' is zero: the host code that fills it with {} does not run; give it an initialiser",
         file.string(), variable.line, variable.name, variable.by);
  const Json options = build_options();
  const fs::path source = directory_ / "source.cpp", library = directory_ / "source.so";
  write_file(source, fmt::format("#include \"kernels/runtime/simt/source/launch.hpp\"\n"
                                 "#include \"tools/lab/source/parameters.hpp\"\n#line 1 {}\n{}{}",
                                 Json(fs::absolute(file).lexically_normal().string()).dump(),
                                 rewrite_cuda(text, file.string()), launch_function(kernel, arguments)));
  const fs::path object = directory_ / "source.o";
  run_compiler(options, "compile",
               {"-I" + fs::absolute(file).parent_path().string(), "-c", source, "-o", object});
  drop_initialisers(object);
  run_compiler(options, "link", {"-shared", object, "-o", library});

  module_ = &load_device_module(library, file.string());
  void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_NOLOAD);
  launch_ = reinterpret_cast<simt::SourceLaunch>(dlsym(loaded, simt::source_launch_symbol));
  if (launch_ == nullptr) fail("'{}': its module exports no launch function", file.string());
}

}  // namespace cuelbo::lab
