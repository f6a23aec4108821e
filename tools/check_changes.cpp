#include "tools/check_changes.hpp"

#include <string>

#include "tools/output.hpp"

namespace cuelbo {

namespace {

void accept(const std::string& changes) {
  if (!changes.empty()) note("note: changed after training: {}", changes);
}

}  // namespace

void check_config(const RunDirectory& run, const Fingerprint& trained, bool accept_changes) {
  const std::string changes = config_changes(trained, run.config());
  if (!accept_changes) refuse_config_changes(run, changes);
  accept(changes);
}

void check_data(const RunDirectory& run, const Fingerprint& trained, const Dataset& data,
                bool accept_changes) {
  const std::string changes = data_changes(trained, data);
  if (!accept_changes) refuse_data_changes(run, changes);
  accept(changes);
}

}  // namespace cuelbo
