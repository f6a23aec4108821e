// How many floating-point operations a second the FMA units do when nothing else is in the way: the roof of a floor.
#pragma once

#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo {

// Operations a second, a multiply-add counted as two, with every thread of the pool at work: the best of several runs
// of a few milliseconds, with the instructions of the kernels' path (kernels/cpu_tables.hpp).
double fma_peak(kernels::ThreadPool& pool);

}  // namespace cuelbo
