// Permissions do not hold for root, so tests of them become another user for a while.
#pragma once

#include <unistd.h>

namespace cuelbo::test {

// Calls f, which must not throw, as a user whom permissions hold for. False if root cannot become one here.
template <class F>
bool as_another_user(F&& f) {
  const uid_t user = geteuid();
  if (user == 0 && seteuid(65534) != 0) return false;
  f();
  return seteuid(user) == 0;
}

}  // namespace cuelbo::test
