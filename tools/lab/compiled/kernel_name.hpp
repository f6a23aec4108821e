// Names of kernels. g++ and nvcc give the same kernel symbols that differ where it has internal linkage.
#pragma once

#include <string>
#include <string_view>

namespace cuelbo::lab {

// Demangled, the same from both compilers; other names stay as they are.
std::string kernel_name(std::string_view symbol);

// A kernel_name shortened for readers: no namespaces, no parameters, no return type.
std::string short_name(std::string_view name);

// The file, without folder and ending, whose anonymous namespace or `static` an nvcc symbol names: files may have kernels
// of the same name. Empty: it names none.
std::string_view file_of(std::string_view symbol);

struct Symbol {
  std::string symbol, file;  // file: as above, of a function that other files do not see
};
// The symbol of a function of a loaded library, exported or not. Throws Error.
Symbol symbol_of(const void* function);

}  // namespace cuelbo::lab
