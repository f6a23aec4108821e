#include "tools/report/page.hpp"

#include <fmt/format.h>

#include "models/version.hpp"
#include "tools/report/assets.hpp"
#include "tools/report/html.hpp"
#include "tools/report/sections.hpp"

namespace cuelbo {

std::string to_html(const ReportData& report) {
  std::string pictures;
  if (report.gallery) {
    const Gallery& gallery = *report.gallery;
    pictures = traversals(gallery) + class_grids(gallery) + reconstructions(gallery) + samples(gallery);
  } else {
    pictures = fmt::format("<section><h2>Pictures</h2><p>None: {}.</p></section>\n",
                           html::escape(report.gallery_missing));
  }
  const std::string name = html::escape(title(report));
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{} · cuelbo</title>\n<style>{}</style>\n</head>\n<body>\n"
      "<header>\n<h1>{}</h1>\n<p>{}</p>\n</header>\n<main>\n{}{}{}{}{}</main>\n"
      "<footer>cuelbo {} · {}</footer>\n<script>{}</script>\n</body>\n</html>\n",
      name, report_style, name, description(report), key_figures(report), pictures,
      report.gallery ? kl_bars(*report.gallery) : "", curves(report), reproduction(report),
      html::escape(version()), html::escape(report.directory), report_script);
}

}  // namespace cuelbo
