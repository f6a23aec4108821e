// The report of a run: one HTML page that needs nothing beside it.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "models/config.hpp"
#include "tools/gallery.hpp"
#include "tools/report/run_log.hpp"

namespace cuelbo {

struct ReportData {
  std::string directory;
  RunConfig config;
  RunLog log = {};
  std::string log_missing;                   // why there is none
  std::optional<nlohmann::json> evaluation;  // evaluation.json, if evaluate has run
  std::optional<Gallery> gallery;
  std::string gallery_missing;  // why there is none
  std::string checkpoint;       // that the pictures are of
  std::int64_t checkpoint_step = 0;
  std::string weights_crc32;  // of the checkpoint
};

std::string to_html(const ReportData& report);

}  // namespace cuelbo
