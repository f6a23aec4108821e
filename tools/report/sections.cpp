#include "tools/report/sections.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/shell_quoted.hpp"
#include "tools/report/chart.hpp"
#include "tools/report/html.hpp"

namespace cuelbo {

namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();

std::string dataset_title(const std::string& name) {
  if (name == "dsprites") return "dSprites";
  if (name == "mnist") return "MNIST";
  if (name == "fashion-mnist") return "Fashion-MNIST";
  return name;
}

std::string plural(std::int64_t n, const char* one, const char* many) {
  return fmt::format("{} {}", html::count(n), n == 1 ? one : many);
}

std::string latent_list(const std::vector<LatentConfig>& latents) {
  std::vector<std::string> parts;
  for (const LatentConfig& latent : latents)
    parts.push_back(fmt::format("<b>{}</b> ({})", html::escape(latent.name),
                                latent.discrete > 0 ? plural(latent.discrete, "class", "classes")
                                                    : plural(latent.gaussian, "dimension", "dimensions")));
  return fmt::format("{}", fmt::join(parts, ", "));
}

// Seconds that the logged steps took.
double training_seconds(const ReportData& report) {
  const LogSeries speed = report.log.series("train", "items_per_second");
  double seconds = 0, before = 0;
  for (std::size_t i = 0; i < speed.values.size(); ++i) {
    if (speed.values[i] > 0)
      seconds += (speed.steps[i] - before) * static_cast<double>(report.config.batch_size) / speed.values[i];
    before = speed.steps[i];
  }
  return seconds;
}

std::string duration(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::int64_t last_step(const RunLog& log) {
  const LogSeries steps = log.series("train", "elbo");
  return steps.steps.empty() ? 0 : std::llround(steps.steps.back());
}

std::string figure(const std::string& name, const std::string& value, const std::string& unit,
                   const std::string& note) {
  return fmt::format("<div><dt>{}</dt><dd>{}{}</dd><small>{}</small></div>", name, value,
                     unit.empty() ? "" : fmt::format(" <span>{}</span>", unit), note);
}

// A member of an object, NaN when it is missing or no number.
double number_in(const nlohmann::json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_number() ? found->get<double>() : not_known;
}

std::string text_in(const nlohmann::json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? html::escape(found->get<std::string>())
             : "–";
}

std::string whole(double value) { return std::isfinite(value) ? html::count(std::llround(value)) : "–"; }

// "100", or "100 of 737" when the test split has more.
std::string evaluated_items(const ReportData& report) {
  const double items = number_in(*report.evaluation, "items"),
               all = number_in(report.log.run(), "test_items");
  return items < all ? fmt::format("{} of {}", whole(items), whole(all)) : whole(items);
}

bool evaluated_here(const ReportData& report) {
  // Another model may have been evaluated at the same step.
  return report.evaluation && report.evaluation->value("weights_crc32", "") == report.weights_crc32;
}

std::string evaluated_figures(const ReportData& report) {
  const nlohmann::json& e = *report.evaluation;
  const nlohmann::json metrics = e.value("metrics", nlohmann::json::object());
  std::int64_t dims = 0;
  for (const LatentConfig& latent : report.config.latents) dims += latent.gaussian;
  std::string figures =
      figure("ELBO", html::number(number_in(e, "elbo")), "nats",
             "log-likelihood − KL, " + text_in(e, "decoding") + " decoding") +
      figure("Log-likelihood", html::number(number_in(e, "log_likelihood")), "nats", "E log p(x|z)") +
      figure("KL", html::number(number_in(e, "kl")), "nats", "sum of the four terms") +
      figure("Importance bound", html::number(number_in(metrics, "importance_bound")), "nats",
             fmt::format("log p(x) ≥ this; {} samples per item, {} items",
                         whole(number_in(metrics, "importance_samples")),
                         whole(number_in(metrics, "importance_items")))) +
      figure("Active units", whole(number_in(metrics, "active_units")), fmt::format("of {}", dims),
             "variance of the mean above 0.01");
  const bool discrete = std::any_of(report.config.latents.begin(), report.config.latents.end(),
                                    [](const LatentConfig& l) { return l.discrete > 0; });
  return fmt::format(
      "<dl class=\"figures\">{}</dl>\n<p class=\"caveat\">Per item, over {} test items at step {}. Marginals "
      "by the estimator "
      "<b>{}</b>, N = {}, B = {}, mean over {} rows{}.</p>\n",
      figures, evaluated_items(report), whole(number_in(e, "step")), text_in(e, "estimator"),
      whole(number_in(e, "dataset_size")), whole(number_in(e, "columns")), whole(number_in(e, "rows")),
      discrete ? "; discrete groups: " + text_in(e, "discrete") : "");
}

std::string validation_figures(const ReportData& report) {
  const RunLog& log = report.log;
  // The figures of the checkpoint; the log may be further.
  const auto at = static_cast<double>(report.checkpoint_step);
  const bool validated = std::isfinite(log.last("validation", "elbo", at).value);
  const std::string kind = validated ? "validation" : "train";
  const auto value = [&](const char* key) { return html::number(log.last(kind, key, at).value); };
  std::string estimates;
  if (report.log_missing.empty()) {
    const std::string figures =
        figure("ELBO", value("elbo"), "nats", "log-likelihood − KL, relaxed decoding") +
        figure("Log-likelihood", value("log_likelihood"), "nats", "E log p(x|z)") +
        figure("KL", value("kl"), "nats", "sum of the four terms");
    estimates = fmt::format(
        "<dl class=\"figures\">{}</dl>\n<p class=\"caveat\">Estimates on {} at step {}, estimator <b>{}</b>, "
        "N "
        "= {}, B = {}.",
        figures, validated ? "the validation split" : "a training batch",
        whole(log.last(kind, "elbo", at).step), html::escape(report.config.objective.estimator),
        whole(number_in(log.run(), "train_items")), report.config.batch_size);
  } else {
    estimates = fmt::format("<p class=\"caveat\">No estimates: {}.", html::escape(report.log_missing));
  }
  return fmt::format(
      "{} Run <code>cuelbo evaluate {}</code> and the report again for exact figures on the test split, an "
      "importance-weighted bound and active units.</p>\n{}",
      estimates, html::escape(shell_quoted(report.directory)),
      report.evaluation ? fmt::format("<p class=\"caveat\">evaluation.json, of step {}, is not known to be "
                                      "of this model; run cuelbo "
                                      "evaluate again.</p>\n",
                                      whole(number_in(*report.evaluation, "step")))
                        : "");
}

// " · weight 3": the term's coefficient in the objective, and where it starts when it moves.
std::string weight(const ObjectiveConfig& objective, const Schedule& schedule) {
  if (objective.preset == "vae") return "";
  if (schedule.steps == 0 || schedule.from == schedule.to) return fmt::format(" · weight {:g}", schedule.to);
  return fmt::format(" · weight {:g} → {:g}", schedule.from, schedule.to);
}

}  // namespace

std::string title(const ReportData& report) {
  return fmt::format("{} on {}", report.config.objective.preset == "vae" ? "VAE" : "HFVAE",
                     dataset_title(report.config.data.name));
}

std::string description(const ReportData& report) {
  const RunConfig& config = report.config;
  const std::int64_t steps = last_step(report.log);
  const double train_items = number_in(report.log.run(), "train_items");
  const double epochs = static_cast<double>(steps * config.batch_size) / train_items;
  std::string text =
      fmt::format("{}: {}. ", plural(std::ssize(config.latents), "latent group", "latent groups"),
                  latent_list(config.latents));
  const std::string images = plural(config.batch_size, "image", "images");
  if (!report.log_missing.empty())
    return text + fmt::format("Trained with steps of {}, seed {}; the checkpoint is of step {}.", images,
                              config.seed, html::count(report.checkpoint_step));
  text += fmt::format("Trained for {} of {}", plural(steps, "step", "steps"), images);
  if (std::isfinite(epochs)) text += fmt::format(", {:.{}f} epochs", epochs, epochs < 10 ? 1 : 0);
  const double seconds = training_seconds(report);
  if (seconds > 0) text += ", in " + duration(seconds);
  const nlohmann::json& run = report.log.run();
  if (run.contains("device")) text += " on " + text_in(run, "device");
  text += '.';
  if (std::isfinite(number_in(run, "parameters")))
    text += fmt::format(" {} parameters, seed {}.", whole(number_in(run, "parameters")), config.seed);
  if (steps < config.training.steps)
    text += fmt::format(" <b>Not finished</b>: the configuration asks for {} steps.",
                        html::count(config.training.steps));
  return text;
}

std::string key_figures(const ReportData& report) {
  return evaluated_here(report) ? evaluated_figures(report) : validation_figures(report);
}

std::string curves(const ReportData& report) {
  if (!report.log_missing.empty())
    return fmt::format("<section><h2>Terms of the ELBO</h2><p>None: {}.</p></section>\n",
                       html::escape(report.log_missing));
  const ObjectiveConfig& objective = report.config.objective;
  const auto last = static_cast<double>(last_step(report.log));
  std::string charts;
  const auto add = [&](const char* name, const char* key, const std::string& note, bool wide = false,
                       bool from_below = false) {
    charts += to_html(Chart{.title = name,
                            .note = note,
                            .train = report.log.series("train", key),
                            .validation = report.log.series("validation", key),
                            .last_step = last,
                            .wide = wide,
                            .from_below = from_below});
  };
  add("ELBO", "elbo", "log-likelihood − KL, all weights 1", true, true);
  add("Log-likelihood", "log_likelihood", "E log p(x|z)", false, true);
  add("KL", "kl", "sum of the next four terms");
  add("Mutual information", "mutual_information",
      "E[log q(z|x) − log q(z)]" + weight(objective, objective.mutual_information));
  add("TC between groups", "between_group_tc",
      "E[log q(z) − Σ log q(z<sup>g</sup>)]" + weight(objective, objective.between_group_tc));
  add("TC within groups", "within_group_tc",
      "Σ E[log q(z<sup>g</sup>) − Σ log q(z<sub>d</sub>)]" + weight(objective, objective.within_group_tc));
  add("KL of dimensions", "dimension_kl",
      "Σ E[log q(z<sub>d</sub>) − log p(z<sub>d</sub>)]" + weight(objective, objective.dimension_kl));
  return fmt::format(
      "<section><h2>Terms of the ELBO</h2><p>Nats per item over the optimizer steps; marginals by the "
      "estimator {} from "
      "batches of {}.</p><div class=\"key\"><span class=\"train\"><i "
      "style=\"display:inline-block\"></i>training batches</span>"
      "<span class=\"validation\"><i></i>validation split</span><span id=\"at\">last values</span></div>\n"
      "<div class=\"charts\">\n{}</div></section>\n",
      html::escape(objective.estimator), report.config.batch_size, charts);
}

std::string reproduction(const ReportData& report) {
  std::string again = report.directory;
  while (again.size() > 1 && again.ends_with('/')) again.pop_back();
  again = html::escape(shell_quoted(again + "-again"));
  return fmt::format(
      "<section><h2>Reproduce</h2><p>The same config, seed and instruction set give the same model to the "
      "bit, on any number "
      "of threads. Save the config below as <code>config.toml</code>, or take it from the run "
      "directory.</p>\n"
      "<pre class=\"commands\">cuelbo train config.toml --output {0}\ncuelbo evaluate "
      "{0}\ncuelbo report {0}</pre>\n"
      "<details><summary>config.toml</summary><pre>{1}</pre></details></section>\n",
      again, html::escape(to_toml(report.config)));
}

}  // namespace cuelbo
