#include "tools/lab/origin.hpp"

#include <ctime>
#include <fstream>

#include "models/version.hpp"

namespace cuelbo::lab {

namespace {

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[sizeof "2026-01-01T00:00:00Z"];
  return {text, std::strftime(text, sizeof text, "%FT%TZ", &utc)};
}

}  // namespace

std::vector<std::pair<std::string, std::string>> measurement_origin() {
  return {{"commit", std::string(build().commit)},
          {"compiler", std::string(build().compiler)},
          {"flags", std::string(build().flags)},
          {"cpu", processor()},
          {"date", date()}};
}

}  // namespace cuelbo::lab
