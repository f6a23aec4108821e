#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

const std::vector<std::unique_ptr<Contract>>& contracts() {
  static const std::vector<std::unique_ptr<Contract>> all = [] {
    std::vector<std::unique_ptr<Contract>> list;
#define CUELBO_DESCRIBE(name, Args) list.push_back(describe_##name());
    CUELBO_CONTRACTS(CUELBO_DESCRIBE)
#undef CUELBO_DESCRIBE
    return list;
  }();
  return all;
}

const Contract& find_contract(std::string_view kernel) {
  for (const auto& contract : contracts())
    if (contract->name() == kernel) return *contract;
  fail("the kernel '{}' has no description in tools/lab/contracts", kernel);
}

}  // namespace cuelbo::lab
