// Profiles of single kernels, and their rows.
#pragma once

#include "kernels/runtime/simt/checked/checker.hpp"
#include "tests/kernels/simt/checked/checked_test.hpp"

namespace cuelbo::kernels {

using simt::AccessProfile;
using simt::Profile;
using Kind = AccessProfile::Kind;

template <class... Parameters, class... Arguments>
Profile profile_of(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                   const Arguments&... arguments) {
  cudaDeviceSynchronize();
  simt::checked::checker->start_profile();
  launch(kernel, grid, block, shared_bytes, {}, arguments...);
  cudaDeviceSynchronize();
  Profile profile = simt::checked::checker->take_profile();
  const auto finding = simt::take_finding();
  EXPECT_FALSE(finding) << to_string(*finding);
  return profile;
}

inline std::vector<AccessProfile> rows(const Profile& profile, const std::string& line, Kind kind,
                                       bool shared) {
  std::vector<AccessProfile> found;
  for (const AccessProfile& p : profile.lines)
    if ((p.file + ":" + std::to_string(p.line)).ends_with(line) && p.kind == kind && p.shared == shared)
      found.push_back(p);
  return found;
}
// The only one.
inline AccessProfile row(const Profile& profile, const std::string& line, Kind kind, bool shared) {
  const auto found = rows(profile, line, kind, shared);
  if (found.size() != 1) ADD_FAILURE() << found.size() << " rows of " << line;
  return found.empty() ? AccessProfile{} : found.front();
}

}  // namespace cuelbo::kernels
