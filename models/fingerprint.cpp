#include "models/fingerprint.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/ranges.h>

#include "engine/error.hpp"
#include "models/data/describe.hpp"

namespace cuelbo {

namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

// Keys that may change after training has begun: where it computes, how long, what it reports, and the path of its
// data, whose content and type have a fingerprint of their own.
bool is_free(std::string_view key) {
  constexpr std::array<std::string_view, 5> keys{"device", "threads", "data.path", "data.scale_of",
                                                 "optimizer.steps"};
  return std::ranges::find(keys, key) != keys.end() || key.starts_with("training.");
}

Values relevant_values(const RunConfig& config) {
  Values values = config_values(config);
  std::erase_if(values, [](const auto& value) { return is_free(value.first); });
  return values;
}

// The lines of Fingerprint::config.
std::map<std::string, std::string> parse_values(std::string_view text) {
  std::map<std::string, std::string> values;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size()), equals = text.find(" = ");
    if (equals < end) values.emplace(text.substr(0, equals), text.substr(equals + 3, end - equals - 3));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return values;
}

// Covers pixels, factors and the size of the data set's own test split, whose boundary may move between equal images.
std::string checksum(const Dataset& dataset) {
  const std::int64_t test_size = dataset.info().test_size;
  return fmt::format("{:08x}", extend_checksum(dataset.checksum(), std::as_bytes(std::span(&test_size, 1))));
}

// The checksum of older programs, without the split.
std::string pixel_checksum(const Dataset& dataset) { return fmt::format("{:08x}", dataset.checksum()); }

std::map<std::string, std::string> map_of(const Values& values) { return {values.begin(), values.end()}; }

}  // namespace

Fingerprint make_fingerprint(const RunConfig& config, const Dataset& dataset) {
  Fingerprint result{.config = {},
                     .items = dataset.size(),
                     .height = dataset.height(),
                     .width = dataset.width(),
                     .channels = dataset.channels(),
                     .stored = dataset.info().stored,
                     .checksum = checksum(dataset)};
  for (const auto& [key, value] : relevant_values(config))
    result.config += fmt::format("{} = {}\n", key, value);
  return result;
}

std::string config_changes(const Fingerprint& trained, const RunConfig& now) {
  if (trained.empty()) return {};
  std::map<std::string, std::string> before = parse_values(trained.config),
                                     after = map_of(relevant_values(now));
  // A key that the program which trained did not know, or that this one does not know, had its default.
  for (const auto& [key, value] : map_of(relevant_values(RunConfig{}))) before.emplace(key, value);
  for (const auto& entry : before) after.emplace(entry.first, "none");
  std::vector<std::string> changes;
  for (const auto& [key, value] : after) {
    const auto old = before.find(key);
    if (old == before.end() || old->second != value)
      changes.push_back(
          fmt::format("{} is {}, it was {}", key, value, old == before.end() ? "none" : old->second));
  }
  return fmt::format("{}", fmt::join(changes, "; "));
}

std::string data_changes(const Fingerprint& trained, const Dataset& now) {
  if (trained.empty()) return {};
  const std::string images = image_text(now),
                    before = image_text(trained.items, trained.height, trained.width, trained.channels);
  if (images != before) return fmt::format("there are {}, there were {}", images, before);
  if (now.info().stored != trained.stored)
    return fmt::format("the images are {}, they were {}", dtype_name(now.info().stored),
                       dtype_name(trained.stored));
  if (checksum(now) != trained.checksum && pixel_checksum(now) != trained.checksum)
    return fmt::format(
        "{} as before, but with other pixels or factors, or another test split (checksum {}, it was {})",
        images, checksum(now), trained.checksum);
  return {};
}

}  // namespace cuelbo
