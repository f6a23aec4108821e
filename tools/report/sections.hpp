// The sections of a report, each as HTML.
#pragma once

#include <string>

#include "tools/report/page.hpp"

namespace cuelbo {

std::string title(const ReportData& report);        // "HFVAE on dSprites"
std::string description(const ReportData& report);  // what was trained, and how, in a sentence or two
std::string key_figures(const ReportData& report);
std::string curves(const ReportData& report);
std::string reproduction(const ReportData& report);

// ---- sections on the pictures
std::string traversals(const Gallery& gallery);
std::string class_grids(const Gallery& gallery);
std::string reconstructions(const Gallery& gallery);
std::string samples(const Gallery& gallery);
std::string kl_bars(const Gallery& gallery);

}  // namespace cuelbo
