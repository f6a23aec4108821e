// The floating-point operations per second that the FMA units reach on their own: floors are computed with this rate.
#pragma once

#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo {

// Does multiply-adds for a few milliseconds with every thread of the pool, with the instructions of the kernels' path
// (kernels/cpu_tables.hpp). Returns the number of operations, a multiply-add counted as two: always the same.
double fma_work(kernels::ThreadPool& pool);

// Operations per second of `fma_work`: the best of several runs.
double fma_peak(kernels::ThreadPool& pool);

}  // namespace cuelbo
