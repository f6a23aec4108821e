// Random programs: branches, shared tensors and parameters, views, stopped gradients, noise. The same seed records the
// same program, in either mode and on any device.
#pragma once

#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {

class RandomGraph {
 public:
  // Creates the parameters, records at least `operations` operations and the reverse sweep.
  RandomGraph(Machine& machine, std::uint64_t seed, int operations, Program::Mode mode);

  Program program;
  Tensor loss, flat_gradients;
  std::vector<Tensor> kept;  // values and gradients, the flat parameter gradients among them

 private:
  std::size_t below(std::size_t n) { return generator_() % n; }
  Tensor pick() { return pool_[below(pool_.size())]; }
  Tensor bounded(Tensor x) { return activate(x, Activation::tanh); }
  Tensor weight(std::int64_t out, std::int64_t in);  // a parameter, when there is one of this shape
  Tensor another(const Shape& shape);                // some tensor of this size, as this shape
  Tensor grow();                                     // one more tensor, of two axes like all of them

  std::mt19937_64 generator_;
  std::vector<Tensor> pool_;
  std::vector<int> parameters_;  // weights (out, in), each followed by its bias (out)
};

}  // namespace cuelbo::test
