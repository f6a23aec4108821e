// Runs that take milliseconds, and what they leave on disk, for comparison.
#pragma once

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/io/npz.hpp"
#include "models/trainer.hpp"

namespace cuelbo::test {

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// 60 images of 12×12: a bright bar whose row and width differ.
inline void write_bars(const std::filesystem::path& path) {
  constexpr int items = 60, side = 12;
  std::vector<std::uint8_t> pixels(items * side * side);
  for (int n = 0; n < items; ++n)
    for (int x = 0; x < side; ++x)
      for (int y = 0; y < side; ++y)
        if (y == n % side && x <= 2 + n / side)
          pixels[static_cast<std::size_t>((n * side + y) * side + x)] = 230;
  write_npz(path, {{"images", make_array<std::uint8_t>({items, side, side}, pixels)}});
}

// A small convolutional model with batch norm, both kinds of latents and an objective that changes with the step.
inline RunConfig tiny_config(const std::filesystem::path& data,
                             const std::vector<std::string>& overrides = {}) {
  std::vector<std::string> settings{"data.path=" + data.string()};
  settings.insert(settings.end(), overrides.begin(), overrides.end());
  return parse_config(R"(
seed = 3
[data]
name = "npy"
validation_fraction = 0.3
test_fraction = 0.1
binarize = "dynamic"
batch_size = 8
[encoder]
layers = [{ conv = 4, batch_norm = true }, { linear = 12 }]
[decoder]
layers = [{ linear = 144, reshape = [6, 6, 4], batch_norm = true }]
[[latent]]
name = "class"
discrete = 3
[[latent]]
name = "a"
gaussian = 2
[[latent]]
name = "b"
gaussian = 3
[objective]
between_group_tc = { from = 1, to = 4, steps = 20 }
within_group_tc = 2
[optimizer]
adam = { learning_rate = { from = 1e-2, to = 1e-3, steps = 15 } }
gradient_clip = 50
steps = 23
[training]
log_every = 2
validate_every = 5
)",
                      "tiny", settings);
}

inline TrainingOutcome train_quietly(RunDirectory run, int threads = 1, const TrainerEvents& events = {}) {
  const std::atomic<bool> stop = false;
  return train(run, {.name = "cpu", .threads = threads}, stop, events);
}

// Trains until the progress of step `last` has been reported; the stop is asked for there.
inline TrainingOutcome train_until(RunDirectory run, std::int64_t last, int threads = 1) {
  std::atomic<bool> stop = false;
  const TrainerEvents events{
      .progress = [&](const TrainingRecord& record) { stop = stop || record.step >= last; }};
  return train(run, {.name = "cpu", .threads = threads}, stop, events);
}

// A TensorBoard file without timing: each record's data, less wall_time (its first 9 bytes) and the throughput.
inline std::string events_without_timing(const std::string& bytes) {
  constexpr std::size_t header = sizeof(std::uint64_t) + sizeof(std::uint32_t), crc = sizeof(std::uint32_t);
  constexpr std::size_t clock = 9;
  std::string events;
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint64_t length = 0;
    if (at + header <= bytes.size()) std::memcpy(&length, &bytes[at], sizeof length);
    if (length < clock || length > bytes.size() - at - header - crc) return events + "[torn]";
    std::string event = bytes.substr(at + header + clock, length - clock);
    const std::string throughput = "items_per_second\x15";
    if (const std::size_t found = event.find(throughput); found != std::string::npos)
      event.erase(found + throughput.size(), sizeof(float));
    events += event + "\n";
    at += header + length + crc;
  }
  return events;
}

// Everything of a run that a resumed one must have too, to the bit: records without timing, files as bytes.
inline std::map<std::string, std::string> outcome(const std::filesystem::path& run) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(run / "checkpoint"))
    files[entry.path().filename()] = read_text(entry.path());
  std::istringstream log(read_text(run / "log.jsonl"));
  for (std::string line; std::getline(log, line);) {
    auto record = nlohmann::ordered_json::parse(line);
    record.erase("items_per_second");
    record.erase("device");  // names the number of threads
    files["log.jsonl"] += record.dump() + "\n";
  }
  for (const auto& entry : std::filesystem::directory_iterator(run))
    if (entry.path().filename().string().starts_with("events.out.tfevents."))
      files["events"] += events_without_timing(read_text(entry.path()));
  return files;
}

}  // namespace cuelbo::test
