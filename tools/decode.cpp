#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "models/data/write_npz.hpp"
#include "models/decoder.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/open_run.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

struct DecodeOptions {
  RunOptions run;
  std::string input, output;
  std::uint64_t seed = 1;
};

// Relaxed samples and mixtures of classes are probabilities; the decoder saw nothing else in training.
void check_probabilities(const Codes::Discrete& group) {
  constexpr double tolerance = 1e-2;  // of values in half precision, too
  const auto classes = static_cast<std::size_t>(group.classes);
  for (std::size_t begin = 0; begin < group.z.size(); begin += classes) {
    const std::span<const float> row = std::span(group.z).subspan(begin, classes);
    const double sum = std::accumulate(row.begin(), row.end(), 0.0), lowest = std::ranges::min(row);
    if (lowest < -tolerance || std::abs(sum - 1) > tolerance)
      fail(
          "array 'z_{}' has the lowest value {:.4g} and the sum {:.4g} in row {}; each row holds "
          "probabilities: none is negative, and their sum is 1",
          group.name, lowest, sum, begin / classes);
  }
}

int run_decode(const DecodeOptions& options) {
  const bool as_npz = std::filesystem::path(options.output).extension() == ".npz";
  OutputFile output(options.output, as_npz ? ".npz" : ".npy");
  output.refuse_input(options.input);
  OpenRun run = open_run(options.run);
  refuse_inputs(output, run);
  output.check_writable();
  const Hfvae& model = *run.loaded.model;
  const Codes codes = read_codes(options.input, options.seed, CodesNeeded::samples);
  std::ranges::for_each(codes.notes, print_note);
  const std::vector<float> rows = in_context(fmt::format("'{}'", options.input), [&] {
    std::ranges::for_each(codes.discrete, check_probabilities);
    return model_codes(codes, model.tree(), CodeValue::sample);
  });
  const ImageShape image = model.image();
  std::vector<std::int64_t> shape{codes.items, image.height, image.width};
  if (image.channels > 1) shape.push_back(image.channels);

  Decoder decoder(run.loaded);
  const auto chunk = static_cast<std::size_t>(Decoder::batch_size * model.code_size());
  if (as_npz) {
    Array images = make_array(Dtype::f32, shape);
    auto to = images.as<float>().begin();
    for (std::size_t begin = 0; begin < rows.size(); begin += chunk)
      to =
          std::ranges::copy(decoder(std::span(rows).subspan(begin, std::min(chunk, rows.size() - begin))), to)
              .out;
    NpzWriter writer(output.path());
    writer.add("images", std::move(images));
    mark_as_seen(writer);
    writer.commit();
  } else {
    AtomicFile file(output.path());
    file.write(npy_header(Dtype::f32, shape));
    for (std::size_t begin = 0; begin < rows.size(); begin += chunk)
      file.write(std::as_bytes(std::span<const float>(
          decoder(std::span(rows).subspan(begin, std::min(chunk, rows.size() - begin))))));
    file.commit();
  }
  output.finish();
  const DataConfig& data = run.config().data;
  if (const bool floats_are_scaled = data.scale && *data.scale != 1 && run.loaded.stored &&
                                     pixel_kind(*run.loaded.stored) == PixelKind::floats;
      !as_npz && (floats_are_scaled || data.transpose || data.layout == Layout::nchw))
    note("note: `encode` reads an .npy as the run's data was stored; an .npz from `decode` is read as it is");
  output.report(fmt::format("{} images of {}x{}x{}", codes.items, image.height, image.width, image.channels),
                {{"items", codes.items},
                 {"height", image.height},
                 {"width", image.width},
                 {"channels", image.channels}});
  return exit_done;
}

}  // namespace

void add_decode(CLI::App& app, Run& run) {
  add_command<DecodeOptions>(
      app, run, "decode",
      "Codes to images: probabilities of the Bernoulli or means of the Gaussian likelihood",
      [](CLI::App& command, DecodeOptions& options) {
        add_run_options(command, options.run);
        command
            .add_option("-i,--input", options.input,
                        "Codes, as `cuelbo encode` writes them; z and z_<group> are decoded and suffice")
            ->required();
        command
            .add_option("-o,--output", options.output,
                        "The .npy or .npz to write, float32 (n, H, W[, C]) in the model's scale; - for "
                        "standard output")
            ->required();
        add_seed_option(command, options.seed, "Seed of z where the file has none");
      },
      run_decode);
}

}  // namespace cuelbo
