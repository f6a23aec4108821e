// Paths of the checkout and of the program under test. The build generates the source that defines them, so that the
// compiled tests are the same in every folder and compiler caches can share them.
#pragma once

#include <string>

namespace cuelbo::test {

std::string source_directory();
std::string cuelbo_program();  // the built `cuelbo`

}  // namespace cuelbo::test
