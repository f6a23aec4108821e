// A module of a user's CUDA file: compiled by g++ over the SIMT runtime, with the instrumentation of simt-checked.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/device_module.hpp"
#include "engine/io/temporary_directory.hpp"
#include "kernels/runtime/simt/source/call.hpp"
#include "tools/lab/source/arguments.hpp"

namespace cuelbo::lab {

class SourceModule {
 public:
  // Its kernel may carry template arguments, as in transpose<32>. UsageError: the file has no such kernel. Error
  // "file:line: …": it cannot be turned for g++ or does not compile.
  SourceModule(const std::filesystem::path& file, const std::string& kernel,
               const std::vector<SourceArgument>& arguments);

  const DeviceModule& module() const { return *module_; }
  simt::SourceLaunch launch() const { return launch_; }

 private:
  TemporaryDirectory directory_;  // the library in it names source lines
  const DeviceModule* module_;
  simt::SourceLaunch launch_;
};

}  // namespace cuelbo::lab
