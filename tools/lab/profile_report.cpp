#include "tools/lab/profile_report.hpp"

#include <filesystem>

#include <fmt/format.h>

namespace cuelbo::lab {

namespace {

using Json = nlohmann::ordered_json;
using simt::AccessProfile;

const char* name_of(AccessProfile::Kind kind) {
  constexpr const char* names[] = {"load", "store", "atomic"};
  return names[static_cast<int>(kind)];
}

// Relative to the current folder if the file is inside it.
std::string shown(const std::string& file) {
  const std::string here = std::filesystem::current_path().string() + '/';
  return file.starts_with(here) ? file.substr(here.size()) : file;
}

double each(std::int64_t total, std::int64_t requests) {
  return static_cast<double>(total) / static_cast<double>(requests);
}

}  // namespace

Json to_json(const simt::Profile& profile) {
  Json lines = Json::array();
  for (const AccessProfile& p : profile.lines) {
    Json line{{"file", shown(p.file)},     {"line", p.line},
              {"access", name_of(p.kind)}, {"memory", p.shared ? "shared" : "global"},
              {"bytes", p.bytes},          {"requests", p.requests},
              {"lanes", p.lanes},          {"divergent", p.divergent}};
    if (p.shared) {
      line["wavefronts"] = p.wavefronts;
      line["ideal_wavefronts"] = p.ideal_wavefronts;
    } else {
      line["sectors"] = p.sectors;
      line["ideal_sectors"] = p.ideal_sectors;
      line["cache_lines"] = p.cache_lines;
    }
    if (p.kind == AccessProfile::Kind::atomic) line["serialized"] = p.serialized;
    lines.push_back(std::move(line));
  }
  return {{"lines", lines},
          {"loaded_bytes", profile.loaded},
          {"least_loaded_bytes", profile.must_load},
          {"stored_bytes", profile.stored},
          {"least_stored_bytes", profile.must_store}};
}

void print(const simt::Profile& profile) {
  fmt::print("{:>6}  {:<6} {:<6} {:>5} {:>10} {:>9} {:>7} {:>21} {:>21}\n", "line", "access", "memory",
             "bytes", "requests", "divergent", "lanes", "sectors, at least", "wavefronts, at least");
  std::string file;
  for (const AccessProfile& p : profile.lines) {
    if (p.file != file) fmt::print("{}\n", shown(p.file));
    file = p.file;
    const std::string what =
        fmt::format("{:.2f} {:>10.2f}", each(p.shared ? p.wavefronts : p.sectors, p.requests),
                    each(p.shared ? p.ideal_wavefronts : p.ideal_sectors, p.requests));
    fmt::print("{:>6}  {:<6} {:<6} {:>5} {:>10} {:>9} {:>7.2f} {:>21} {:>21}", p.line, name_of(p.kind),
               p.shared ? "shared" : "global", p.bytes, p.requests, p.divergent, each(p.lanes, p.requests),
               p.shared ? "" : what, p.shared ? what : "");
    if (p.kind == AccessProfile::Kind::atomic)
      fmt::print("  {:.2f} lanes at one address", each(p.serialized, p.requests));
    fmt::print("\n");
  }
  fmt::print("global memory: {} bytes loaded, at least {}; {} stored, at least {}\n", profile.loaded,
             profile.must_load, profile.stored, profile.must_store);
}

}  // namespace cuelbo::lab
