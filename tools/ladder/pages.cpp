#include "tools/ladder/pages.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "tools/lab/profile.hpp"
#include "tools/lab/select.hpp"
#include "tools/ladder/heat_map.hpp"
#include "tools/ladder/introductions.hpp"
#include "tools/ladder/roofline.hpp"

namespace cuelbo::ladder {

namespace {

std::string scaled(double value, const char* unit) {
  constexpr const char* prefixes[] = {"", "k", "M", "G"};
  std::size_t i = 0;
  for (; value >= 1000 && i + 1 < std::size(prefixes); ++i) value /= 1000;
  return fmt::format("{:.3g} {}{}", value, prefixes[i], unit);
}
std::string microseconds(double seconds) { return fmt::format("{:.3g} µs", 1e6 * seconds); }
std::string times(double ratio) {
  return ratio < 10 ? fmt::format("{:.2f}×", ratio) : fmt::format("{:.0f}×", ratio);
}
std::string percent(double fraction) { return fmt::format("{:.0f} %", 100 * fraction); }

// A sentence on what got better or worse since the rung before; empty if no count changed.
std::string compared(const Rung& now, const Rung& before, const std::string& before_name) {
  std::vector<std::string> changes, sentences;
  const auto add = [&](std::int64_t is_count, std::int64_t was_count, const char* less, const char* what) {
    const auto is = static_cast<double>(is_count), was = static_cast<double>(was_count);
    if (was <= 0 || is <= 0 || std::abs(is / was - 1) < 0.02) return;
    changes.push_back(
        fmt::format("{} {} {}", times(is < was ? was / is : is / was), is < was ? less : "more", what));
  };
  const simt::AccessProfile all = lab::totals(now.profile), was_all = lab::totals(before.profile);
  add(now.moved_bytes(), before.moved_bytes(), "less", "traffic of global memory");
  add(all.requests, was_all.requests, "fewer", "requests");
  add(all.wavefronts, was_all.wavefronts, "fewer", "wavefronts of shared memory");
  if (all.wavefronts > 0 && was_all.wavefronts == 0)
    changes.emplace_back("shared memory, which it did not use before");
  if (!changes.empty())
    sentences.push_back(fmt::format("Against `{}`: {}.", before_name, fmt::join(changes, ", ")));
  const double is = now.model.bound.seconds(), was = before.model.bound.seconds();
  if (std::abs(is / was - 1) >= 0.02)
    sentences.push_back(
        fmt::format("The least time goes from {} to {}.", microseconds(was), microseconds(is)));
  return fmt::format("{}", fmt::join(sentences, " "));
}

std::string note_of(const simt::AccessProfile& access) {
  constexpr const char* kinds[] = {"load", "store", "atomic"};
  const auto requests = static_cast<double>(access.requests);
  const auto each = [&](std::int64_t total) { return static_cast<double>(total) / requests; };
  std::string text = fmt::format("{} {} {} B: ", access.shared ? "shared" : "global",
                                 kinds[static_cast<int>(access.kind)], access.bytes);
  if (access.shared)
    text += fmt::format("{:.3g} wavefronts, {:.3g} at least", each(access.wavefronts),
                        each(access.ideal_wavefronts));
  else
    text += fmt::format("{:.3g} sectors, {:.3g} at least", each(access.sectors), each(access.ideal_sectors));
  return text;
}

std::string relative(const std::string& file) {
  const std::string here = std::filesystem::current_path().string() + '/';
  return file.starts_with(here) ? file.substr(here.size()) : file;
}

// A line that does several things shows the costliest; its share is that of all.
std::vector<HeatLine> heat_lines(const simt::Profile& profile) {
  double all = 0;
  for (const auto& access : profile.lines) all += lab::load_store_cycles(access);
  std::vector<HeatLine> lines;
  double costliest = 0;
  for (const auto& access : profile.lines) {
    const double cycles = lab::load_store_cycles(access);
    const std::string file = relative(access.file);
    if (lines.empty() || lines.back().file != file || lines.back().line != access.line) {
      lines.push_back({.file = file, .line = access.line});
      costliest = 0;
    }
    lines.back().share += all > 0 ? cycles / all : 0;
    if (cycles >= costliest) {
      costliest = cycles;
      lines.back().note = note_of(access);
    }
  }
  return lines;
}

std::string measured(const Ladder& ladder, const std::string& variant) {
  const auto found = ladder.measured.find(variant);
  return found == ladder.measured.end() ? "–" : microseconds(found->second);
}

Table figures(const Ladder& ladder, const lab::Gpu& gpu) {
  Table table{.header = {"", "variant", "bytes moved", "of the least", "full sectors", "wavefronts",
                         "registers", "occupancy", "least time", "of the floor", "bound by"},
              .words = 2};
  if (!ladder.measured.empty()) table.header.emplace_back("measured");
  const double least_bytes = ladder.cost.bytes;
  for (std::size_t i = 0; i < ladder.rungs.size(); ++i) {
    const Rung& rung = ladder.rungs[i];
    const auto compiled = lab::main_kernel(rung.compiled, gpu);
    const double wavefronts = rung.wavefronts_over_ideal();
    std::vector<std::string>& row = table.rows.emplace_back();
    row = {std::to_string(i),
           "`" + rung.variant.name + "`",
           scaled(static_cast<double>(rung.moved_bytes()), "B"),
           times(static_cast<double>(rung.moved_bytes()) / least_bytes),
           percent(rung.sector_efficiency()),
           wavefronts == 0 ? "–" : times(wavefronts),
           compiled ? std::to_string(compiled->registers) : "–",
           compiled ? percent(compiled->occupancy) : "–",
           microseconds(rung.model.bound.seconds()),
           times(rung.model.bound.seconds() / rung.model.floor.seconds()),
           rung.model.bound.busiest().resource};
    if (!ladder.measured.empty()) row.push_back(measured(ladder, rung.variant.name));
  }
  return table;
}

std::string roofline_of(const Ladder& ladder, const lab::Gpu& gpu) {
  std::vector<Roof> roofs;
  std::vector<RooflinePoint> points;
  for (std::size_t i = 0; i < ladder.rungs.size(); ++i) {
    const Rung& rung = ladder.rungs[i];
    const std::string precision = lab::name_of(rung.variant.precision);
    if (std::ranges::find(roofs, precision, &Roof::name) == roofs.end())
      roofs.push_back({precision, gpu.peak(rung.variant.precision)});
    points.push_back({fmt::format("{} {}", i, rung.variant.name),
                      ladder.cost.flops / static_cast<double>(rung.moved_bytes()),
                      ladder.cost.flops / rung.model.bound.seconds()});
  }
  const Slope slopes[] = {{"load/store units", 128 * gpu.wavefronts()}, {"memory", gpu.memory_bandwidth}};
  return roofline(slopes, roofs, points);
}

Page page_of(const Ladder& ladder, const lab::Gpu& gpu) {
  Page page{.name = ladder.kernel, .title = ladder.kernel};
  const lab::Bound& floor = ladder.rungs.front().model.floor;
  const auto say = [&](std::string text) { page.blocks.emplace_back(Paragraph{std::move(text)}); };
  say(std::string(introduction(ladder.kernel)));
  say(fmt::format(
      "The figures are for `{}`: {} of operands, {} of arithmetic. In fp32 an {} needs at least {} for "
      "that, whoever does it, bound by {}. [What the words mean](page:README).",
      ladder.shape_text, scaled(ladder.cost.bytes, "B"), scaled(ladder.cost.flops, "FLOP"), gpu.title,
      microseconds(floor.seconds()), floor.busiest().resource));
  page.blocks.emplace_back(figures(ladder, gpu));
  if (ladder.cost.flops > 0)
    page.blocks.emplace_back(
        Picture{ladder.kernel + "_roofline", roofline_of(ladder, gpu),
                fmt::format("Roofline of an {} with the variants of {}", gpu.title, ladder.kernel)});
  for (std::size_t i = 0; i < ladder.rungs.size(); ++i) {
    const Rung& rung = ladder.rungs[i];
    page.blocks.emplace_back(Heading{fmt::format("{} `{}`", i, rung.variant.name)});
    say(fmt::format("{}{}.",
                    static_cast<char>(std::toupper(static_cast<unsigned char>(rung.variant.description[0]))),
                    rung.variant.description.substr(1)));
    if (const std::string_view text = gain(ladder.kernel, rung.variant.name); !text.empty())
      say(std::string(text));
    if (i > 0)
      if (const std::string text = compared(rung, ladder.rungs[i - 1], ladder.rungs[i - 1].variant.name);
          !text.empty())
        say(text);
    page.blocks.emplace_back(
        Picture{fmt::format("{}_{}", ladder.kernel, rung.variant.name), heat_map(heat_lines(rung.profile)),
                fmt::format("Source lines of {} and what they cost", rung.variant.name)});
    say(fmt::format("`cuelbo kernels profile {}/{} --shape {}` shows all of it.", ladder.kernel,
                    rung.variant.name, ladder.shape_text));
  }
  if (!ladder.not_executed.empty()) {
    page.blocks.emplace_back(Heading{"To compare with"});
    for (const KernelVariant& variant : ladder.not_executed)
      say(fmt::format("`{}`: {}. {}", variant.name, variant.description,
                      ladder.measured.empty() ? "Runs on a GPU only."
                                              : "Measured: " + measured(ladder, variant.name) + "."));
  }
  return page;
}

Page index_of(std::span<const Ladder> ladders, const lab::Gpu& gpu) {
  Page page{.name = "README", .title = "The ladders"};
  const auto say = [&](std::string text) { page.blocks.emplace_back(Paragraph{std::move(text)}); };
  say("A ladder shows one operation as several CUDA kernels, from the obvious one to the best. Each rung "
      "changes one idea. Read "
      "from the top: what changes, what that should gain, what the lab counted when it executed the kernel.");
  Table table{.header = {"operation", "rungs", "the first moves", "the best moves", "least time of the first",
                         "of the best"},
              .words = 1};
  for (const Ladder& ladder : ladders) {
    const Rung *const first = &ladder.rungs.front(), *best = first;
    for (const Rung& rung : ladder.rungs)
      if (rung.model.bound.seconds() <= best->model.bound.seconds()) best = &rung;
    table.rows.push_back({fmt::format("[{0}](page:{0})", ladder.kernel), std::to_string(ladder.rungs.size()),
                          scaled(static_cast<double>(first->moved_bytes()), "B"),
                          scaled(static_cast<double>(best->moved_bytes()), "B"),
                          microseconds(first->model.bound.seconds()),
                          microseconds(best->model.bound.seconds())});
  }
  page.blocks.emplace_back(std::move(table));
  page.blocks.emplace_back(Heading{"What the words mean"});
  for (const std::string_view words : explanations()) say(std::string(words));
  say(
      fmt::format("Bytes, sectors and wavefronts were counted by executing the kernels on a CPU, thread by "
                  "thread (`cuelbo kernels profile`). Registers and occupancy are what nvcc made of them for "
                  "an {}. Least "
                  "times are bounds from its data sheet: {}.",
                  gpu.title,
                  ladders.empty() || ladders.front().measured.empty()
                      ? "no figure on these pages was measured on a GPU"
                      : "what is called measured was, on " + ladders.front().measured_on));
  return page;
}

}  // namespace

std::vector<Page> make_pages(std::span<const Ladder> ladders, const lab::Gpu& gpu) {
  std::vector<Page> pages{index_of(ladders, gpu)};
  for (const Ladder& ladder : ladders) pages.push_back(page_of(ladder, gpu));
  return pages;
}

}  // namespace cuelbo::ladder
