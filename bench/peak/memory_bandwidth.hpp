#pragma once

#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo {

// Bytes per second of a triad (a = b + 3 · c) on arrays that no cache holds, with all threads of the pool; best of
// several runs. Counts what is read and written by the program: 12 bytes per element.
double memory_bandwidth(kernels::ThreadPool& pool);

}  // namespace cuelbo
