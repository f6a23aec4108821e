#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "tools/report/html.hpp"
#include "tools/report/sections.hpp"

namespace cuelbo {

namespace {

constexpr std::size_t colours = 6;  // --g0 … --g5 of the style sheet

// A colour a latent group, in the order of the tree.
class GroupColours {
 public:
  explicit GroupColours(const std::vector<LatentAxis>& axes) {
    for (const LatentAxis& axis : axes) index_.try_emplace(axis.group, index_.size());
  }
  std::string style(const std::string& group) const {
    return fmt::format("--c:var(--g{})", index_.at(group) % colours);
  }

 private:
  std::map<std::string, std::size_t> index_;
};

std::string axis_values() {
  std::string text;
  const std::vector<float> values = traversal_values();
  for (const float value : values)
    text += fmt::format("<span>{}</span>", html::number(static_cast<double>(value), 1));
  return text;
}

std::string sweep(const std::string& style, const std::string& name, const std::string& note,
                  const std::string& strip, std::size_t steps, const char* strip_class = "strip") {
  const std::string label =
      name.empty()
          ? "<span></span>"
          : fmt::format("<span class=\"label\"><i class=\"swatch\"></i><b>{}</b><small>{}</small></span>",
                        name, note);
  return fmt::format(
      "<div class=\"sweep\" style=\"{}\">{}<div class=\"{}\" style=\"--steps:{}\">{}</div></div>\n", style,
      label, strip_class, steps, strip);
}

}  // namespace

std::string traversals(const Gallery& gallery) {
  const GroupColours colour(gallery.axes);
  std::string rows = sweep("", "", "", axis_values(), traversal_steps, "strip axis");
  for (const Traversal& row : gallery.traversals)
    rows += sweep(colour.style(row.axis.group), html::escape(row.axis.name),
                  fmt::format("{} nats{}", html::number(row.axis.kl),
                              row.axis.discrete >= 0 ? fmt::format(" · {} classes", row.axis.classes) : ""),
                  html::imgs(row.tiles),
                  static_cast<std::size_t>(std::max<std::int64_t>(traversal_steps, row.tiles.count())));
  return fmt::format(
      "<section><h2>Traversals</h2><p>One latent variable moves along each row, the others keep the code of "
      "one {} image. "
      "Dimensions go from {} to {} prior standard deviations, a discrete group goes through its classes. "
      "Rows are sorted by KL: "
      "what carries most information comes first.</p>\n{}</section>\n",
      gallery.split, html::number(-static_cast<double>(traversal_limit), 1),
      html::number(static_cast<double>(traversal_limit), 1), rows);
}

std::string class_grids(const Gallery& gallery) {
  const GroupColours colour(gallery.axes);
  std::string grids;
  for (const ClassGrid& grid : gallery.class_grids) {
    std::string rows = sweep("", "", "", axis_values(), traversal_steps, "strip axis");
    for (std::size_t k = 0; k < grid.rows.size(); ++k)
      rows +=
          sweep(colour.style(grid.group.group), fmt::format("{} {}", html::escape(grid.group.name), k + 1),
                "", html::imgs(grid.rows[k]), traversal_steps);
    grids += fmt::format("<div class=\"classes\"><h3>{} × {}</h3>{}</div>\n", html::escape(grid.group.name),
                         html::escape(grid.dim.name), rows);
  }
  if (grids.empty()) return "";
  return fmt::format(
      "<section><h2>Discrete × continuous</h2><p>A class in each row, the strongest dimension of a Gaussian "
      "group across. "
      "Disentangled groups change the same thing in every row.</p>{}</section>\n",
      grids);
}

std::string reconstructions(const Gallery& gallery) {
  std::string pairs;
  for (std::int64_t i = 0; i < gallery.inputs.count(); ++i)
    pairs += fmt::format("<div>{}{}</div>",
                         html::img(gallery.inputs.tile(i), fmt::format("{} image {}", gallery.split, i)),
                         html::img(gallery.reconstructions.tile(i), fmt::format("its reconstruction {}", i)));
  return fmt::format(
      "<section><h2>Reconstructions</h2><p>Images of the {} split above, their reconstructions from the mean "
      "of the "
      "posterior and the most "
      "probable class below.</p><div class=\"pairs\">{}</div></section>\n",
      gallery.split, pairs);
}

std::string samples(const Gallery& gallery) {
  return fmt::format(
      "<section><h2>Samples</h2><p>Codes drawn from the prior, decoded.</p><div "
      "class=\"tiles\">{}</div></section>\n",
      html::imgs(gallery.samples));
}

std::string kl_bars(const Gallery& gallery) {
  const GroupColours colour(gallery.axes);
  double largest = 1e-9;
  for (const LatentAxis& axis : gallery.axes) largest = std::max(largest, axis.kl);
  std::string groups;
  for (std::size_t begin = 0; begin < gallery.axes.size();) {
    const std::string& group = gallery.axes[begin].group;
    std::size_t end = begin;
    double total = 0;
    std::string bars;
    for (; end < gallery.axes.size() && gallery.axes[end].group == group; ++end) {
      const LatentAxis& axis = gallery.axes[end];
      total += axis.kl;
      bars += fmt::format(
          "<div class=\"bar{}\"><span>{}</span><span class=\"track\"><i style=\"width:{:.1f}%\"></i></span>"
          "<span class=\"value\">{}</span></div>",
          axis.kl < 0.05 ? " off" : "",
          axis.dim >= 0 ? html::escape(axis.name) : fmt::format("{} classes", axis.classes),
          100 * std::max(axis.kl, 0.0) / largest, html::number(axis.kl));
    }
    groups += fmt::format(
        "<div style=\"{}\"><h3><i class=\"swatch\"></i>{}<small>{} nats in total</small></h3>{}</div>\n",
        colour.style(group), html::escape(group), html::number(total), bars);
    begin = end;
  }
  return fmt::format(
      "<section><h2>What each latent variable carries</h2><p>KL(q(z<sub>d</sub>|x) ‖ p(z<sub>d</sub>)) in "
      "nats, mean over {} "
      "items of the {} split. A variable near 0 is not used.</p><div class=\"bars\">{}</div></section>\n",
      html::count(gallery.coded_items), gallery.split, groups);
}

}  // namespace cuelbo
