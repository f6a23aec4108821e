#include "tools/ladder/heat_map.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>

#include <fmt/format.h>

#include "tools/ladder/svg.hpp"

namespace cuelbo::ladder {

namespace {

constexpr double row = 16, code_left = 46, note_width = 330;
constexpr std::size_t most_columns = 104;
constexpr int around = 1;  // lines shown in front of and behind a profiled one

struct Row {
  int number = 0;  // 0: a file's name or a gap
  std::string text;
  const HeatLine* heat = nullptr;
};

std::vector<std::string> read_lines(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// White to red; small shares remain visible.
std::string colour(double share) {
  const double s = std::sqrt(std::clamp(share, 0.0, 1.0));
  return fmt::format("#{:02x}{:02x}{:02x}", 255, static_cast<int>(255 - 120 * s),
                     static_cast<int>(255 - 165 * s));
}

// Columns of UTF-8, not bytes.
std::string cut(const std::string& text) {
  std::string result;
  std::size_t columns = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80 && ++columns > most_columns) return result + "…";
    result += c == '\t' ? ' ' : c;
  }
  return result;
}

std::vector<Row> rows_of(std::span<const HeatLine> lines) {
  std::vector<Row> rows;
  std::string file;
  std::vector<std::string> source;
  int shown = 0;  // the last line of the file that is
  for (const HeatLine& line : lines) {
    if (line.file != file) {
      file = line.file;
      source = read_lines(file);
      rows.push_back({.text = file});
      shown = 0;
    }
    const auto text = [&](int number) {
      return number >= 1 && number <= static_cast<int>(source.size())
                 ? source[static_cast<std::size_t>(number) - 1]
                 : std::string();
    };
    // The lines that follow the one before, and a gap if some are left out.
    const int begin = std::max(line.line - around, 1), end = std::min(shown + around, begin - 1);
    for (int number = shown + 1; shown > 0 && number <= end; ++number)
      rows.push_back({number, text(number), nullptr});
    if (shown > 0 && end + 1 < begin) rows.push_back({.text = "⋮"});
    for (int number = std::max(begin, shown + 1); number < line.line; ++number)
      rows.push_back({number, text(number), nullptr});
    rows.push_back({line.line, text(line.line), &line});
    shown = line.line;
  }
  return rows;
}

}  // namespace

std::string heat_map(std::span<const HeatLine> lines) {
  const std::vector<Row> rows = rows_of(lines);
  const double note_left = code_left + code_width * (most_columns + 2);
  Svg svg(note_left + note_width, row * (static_cast<double>(rows.size()) + 1));
  double y = row / 2;
  for (const Row& one : rows) {
    const double base = y + 12;
    if (one.heat != nullptr) {
      svg.rectangle(code_left - 4, y, note_left + note_width - code_left, row, colour(one.heat->share));
      svg.text(note_left, base, fmt::format("{:.0f} %   {}", 100 * one.heat->share, one.heat->note),
               "#1b1d22", 11);
    }
    if (one.number > 0) {
      svg.text(code_left - 10, base, std::to_string(one.number), "#8f96a3", 11, Svg::Anchor::end);
      svg.code(code_left, base, cut(one.text));
    } else {
      svg.text(code_left - 4, base, one.text, "#5d636e", 11);
    }
    y += row;
  }
  return std::move(svg).finish();
}

}  // namespace cuelbo::ladder
