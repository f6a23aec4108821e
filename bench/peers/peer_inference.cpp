#include "bench/peers/modes.hpp"
#include "bench/peers/peer_model.hpp"
#include "bench/peers/serve.hpp"

namespace cuelbo {

namespace {

// Runs one program: host memory in, host memory out.
class Inference {
 public:
  Inference(Program& program, Tensor input, std::span<const float> values, const std::vector<Tensor>& outputs)
      : program_(&program), input_(input), values_(values), outputs_(outputs) {
    for (const Tensor output : outputs) read_.emplace_back(static_cast<std::size_t>(output.size()));
  }

  void call() {
    program_->write(input_, values_);
    program_->replay();
    for (std::size_t i = 0; i < outputs_.size(); ++i) program_->read(outputs_[i], read_[i]);
  }

  // `names` are those of the outputs in the file.
  void check_and_serve(PeerModel& side, const std::string& result_path,
                       const std::vector<std::string>& names) {
    call();
    Result result;
    result.add_parameters(side.parameters);
    for (std::size_t i = 0; i < outputs_.size(); ++i) result.add(names[i], outputs_[i].shape(), read_[i]);
    result.write(result_path);
    answer({{"device", side.device->description()},
            {"flops", program_flops(*program_)},
            {"arena_bytes", program_->arena_bytes()}});
    serve([&] { call(); });
  }

 private:
  Program* program_;
  Tensor input_;
  std::span<const float> values_;
  std::vector<Tensor> outputs_;
  std::vector<std::vector<float>> read_;
};

}  // namespace

void peer_encode(const std::string& config, const std::string& inputs, const std::string& result,
                 const std::vector<std::string>& overrides) {
  const Array images = read_images(inputs);
  PeerModel side(config, images, overrides);
  EncodeProgram encoder(*side.device, side.parameters, side.model, side.batch_size,
                        /*constant_parameters=*/true);
  Inference(encoder.program, encoder.images, images.as<float>(),
            {encoder.latents.mean, encoder.latents.logvar})
      .check_and_serve(side, result, {"mean", "logvar"});
}

void peer_decode(const std::string& config, const std::string& inputs, const std::string& result,
                 const std::vector<std::string>& overrides) {
  PeerModel side(config, read_images(inputs), overrides);
  const Array codes = read_safetensors(inputs).tensor("codes");
  DecodeProgram decoder(*side.device, side.parameters, side.model, side.batch_size,
                        /*with_likelihood=*/false, /*constant_parameters=*/true);
  Inference(decoder.program, decoder.code, codes.as<float>(), {decoder.picture})
      .check_and_serve(side, result, {"picture"});
}

}  // namespace cuelbo
