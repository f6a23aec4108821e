#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

const std::vector<std::unique_ptr<Contract>>& contracts() {
  static const std::vector<std::unique_ptr<Contract>> all = [] {
    std::vector<std::unique_ptr<Contract>> list;
    add_linear(list);
    add_conv2d(list);
    add_activation(list);
    add_softmax(list);
    add_batch_norm(list);
    add_likelihood(list);
    add_sampling(list);
    add_elbo_decomposition(list);
    add_reduce(list);
    add_elementwise(list);
    add_adam(list);
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
