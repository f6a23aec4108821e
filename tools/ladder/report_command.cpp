// `cuelbo kernels report`.
#include "tools/ladder/report_command.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/select.hpp"
#include "tools/ladder/pages.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

namespace fs = std::filesystem;

struct ReportOptions {
  std::vector<std::string> kernels;  // empty: all that have ladders
  std::string output, gpu = "h100";
  std::string timed_on;  // a device; empty: none
};

// The first line of each file in a folder: such a file may be replaced.
constexpr std::string_view mark = "<!-- written by cuelbo kernels report -->\n";

bool is_marked(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string begin(mark.size(), ' ');
  in.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  return begin == mark;
}

void write_marked(const fs::path& file, const std::string& text) {
  write_file(file, std::string(mark) + text);
}

// Makes the folder. Fails if it cannot be written, or holds another's file at the place of one that the command may write.
void prepare_folder(const fs::path& folder, const std::vector<std::string>& kernels,
                    const DeviceModule& module) {
  std::vector<std::string> names{"README.md"};
  for (const std::string& kernel : kernels) {
    names.insert(names.end(), {kernel + ".md", kernel + "_roofline.svg"});
    for (const KernelVariant& variant : lab::select(module.variants(), kernel))
      names.push_back(fmt::format("{}_{}.svg", kernel, variant.name));
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail("'{}': {}", folder.string(), error.message());
  for (const std::string& name : names) {
    const fs::path file = folder / name;
    const fs::file_status status = fs::symlink_status(file, error);
    if (fs::exists(status) && (!fs::is_regular_file(status) || !is_marked(file)))
      usage_fail("-o '{}': '{}' was not written by this command; remove it, or name another folder",
                 folder.string(), name);
    if (fs::exists(status) || name == names.front()) const AtomicFile attempt(file);
  }
}

int run_report(const ReportOptions& options) {
  const fs::path output = options.output;
  const bool html = output.extension() == ".html";
  if (output == "-" || (!html && output.has_extension() && !fs::is_directory(output)))
    usage_fail("-o '{}': name a file that ends in .html, or a folder", output.string());
  if (html)
    OutputFile(options.output, ".html").check_writable();
  else if (const std::string run = owning_run(output / "report.html"); !run.empty())
    usage_fail("-o '{}' belongs to the run '{}': name another folder", output.string(), run);
  const lab::Gpu& gpu = lab::find_gpu(options.gpu);
  const std::unique_ptr<Device> device = open_device({.name = "simt-checked"});
  const DeviceModule& module = load_device_module("simt-checked");
  const std::unique_ptr<Device> timed =
      options.timed_on.empty() ? nullptr : open_device({.name = options.timed_on});
  if (timed != nullptr && timed->name() != "cuda")
    usage_fail("--device {}: variants are timed on cuda or cuda:N", options.timed_on);
  std::vector<std::string> kernels = ladder::kernels_with_ladders(module);
  if (!options.kernels.empty()) {
    kernels.clear();
    for (const std::string& name : options.kernels) {
      const std::string kernel = lab::select(module.variants(), name).front().kernel;
      if (kernel != name)
        usage_fail("'{}': name the kernel, '{}'; its page shows all variants", name, kernel);
      if (std::ranges::find(kernels, kernel) == kernels.end()) kernels.push_back(kernel);
    }
  }
  if (!html) prepare_folder(output, kernels, module);
  std::vector<ladder::Ladder> ladders;
  for (const std::string& kernel : kernels) {
    note("{}", kernel);
    ladders.push_back(ladder::measure_ladder(kernel, gpu, module, *device));
    if (timed != nullptr) ladder::measure_times(ladders.back(), load_device_module("cuda"), *timed);
  }
  const std::vector<ladder::Page> pages = ladder::make_pages(ladders, gpu);
  if (html) {
    write_file(output, ladder::to_html("The ladders of cuelbo's kernels", pages));
  } else {
    for (const ladder::Page& page : pages) {
      write_marked(output / (page.name + ".md"), ladder::to_markdown(page));
      for (const ladder::Block& block : page.blocks)
        if (const auto* picture = std::get_if<ladder::Picture>(&block))
          write_marked(output / (picture->name + ".svg"), picture->svg);
    }
  }
  print_result(output.string(), {{html ? "file" : "folder", output.string()}, {"kernels", kernels}});
  return exit_done;
}

}  // namespace

void add_kernels_report(CLI::App& kernels, Run& run) {
  add_command<ReportOptions>(
      kernels, run, "report", "Show the variants of kernels one after the other, with what the lab finds out",
      [](CLI::App& command, ReportOptions& options) {
        command.add_option("KERNEL", options.kernels, "All with three or more variants if left out");
        command
            .add_option("-o,--output", options.output,
                        "lab.html: one page that needs nothing beside it; a folder: Markdown and pictures")
            ->required();
        command.add_option("--device", options.timed_on,
                           "cuda or cuda:N: times that are measured there, beside the bounds");
        command.add_option("--gpu", options.gpu, "GPU of the bounds: h100, a100, rtx4090 or rtx5090")
            ->capture_default_str();
      },
      run_report);
}

}  // namespace cuelbo
