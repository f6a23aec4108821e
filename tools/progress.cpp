#include "tools/progress.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tools/output.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t kept_lines = 20;  // about so many lines of a run stay on a terminal
constexpr auto quiet_interval = std::chrono::seconds(10);

int terminal_width() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string duration(double seconds) {
  const long s = std::lround(std::clamp(seconds, 0.0, 1e9));
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::vector<std::string> term_fields(double elbo, double log_likelihood, const TermSummary& terms) {
  return {fmt::format("ELBO {:.2f}", elbo),
          fmt::format("log p(x|z) {:.2f}", log_likelihood),
          fmt::format("KL {:.2f}", terms.kl()),
          fmt::format("MI {:.2f}", terms.mutual_information),
          fmt::format("TC {:.2f}", terms.between_group_tc),
          fmt::format("TC within {:.2f}", terms.within_group_tc),
          fmt::format("KL dims {:.2f}", terms.dimension_kl)};
}

std::string join(const std::vector<std::string>& fields, std::size_t width) {
  std::string line;
  for (const std::string& field : fields) {
    const std::string piece = line.empty() ? field : "  " + field;
    if (line.size() + piece.size() > width) break;
    line += piece;
  }
  return line;
}

}  // namespace

std::string progress_line(const TrainingRecord& record, int width) {
  std::vector<std::string> fields{fmt::format("step {}/{}", record.step, record.steps),
                                  fmt::format("{:.0f} items/s", record.items_per_second),
                                  fmt::format("ETA {}", duration(record.seconds_left))};
  const auto terms = term_fields(record.elbo, record.log_likelihood, record.terms);
  fields.insert(fields.end(), terms.begin(), terms.end());
  return join(fields, static_cast<std::size_t>(std::max(width, 1)));
}

ProgressPrinter::ProgressPrinter() : live_(has_live_line()) {}

ProgressPrinter::~ProgressPrinter() { keep_live(); }

void ProgressPrinter::print(const TrainingRecord& record) {
  print_note(progress_line(record, 1000));
  printed_ = Clock::now();
}

void ProgressPrinter::working(const TrainingRecord& record) {
  if (live_) {
    show_live(progress_line(record, terminal_width() - 1));  // a full last column would wrap
  } else if (!printed_ || Clock::now() - *printed_ >= quiet_interval) {
    print(record);
  }
}

void ProgressPrinter::progress(const TrainingRecord& record) {
  const std::int64_t part = record.step / std::max<std::int64_t>(1, record.steps / kept_lines);
  if (live_ && part == kept_ && record.step < record.steps) return working(record);
  kept_ = part;
  print(record);
}

void ProgressPrinter::validated(const ValidationRecord& record) {
  std::vector<std::string> fields{fmt::format("step {}", record.step), "validation"};
  const auto terms = term_fields(record.elbo, record.log_likelihood, record.terms);
  fields.insert(fields.end(), terms.begin(), terms.end());
  note("{}{}", join(fields, 1000), record.best ? "  (best)" : "");
}

}  // namespace cuelbo
