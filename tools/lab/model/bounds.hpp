// Lower bounds on the time on a named GPU: for a call in any implementation, and for a variant that was profiled. They
// do not predict how long a run takes.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/simt/launch.hpp"
#include "kernels/runtime/simt/profile.hpp"
#include "tools/lab/model/gpu.hpp"

namespace cuelbo::lab {

// The work of one resource and its rate.
struct Term {
  std::string resource;  // "memory", "fp32", "special functions" …
  double work = 0;       // in `unit`
  double rate = 0;       // units per second
  const char* unit = "";
  double seconds() const { return work / rate; }
};

// The resources work beside each other, so the busiest one counts.
struct Bound {
  std::vector<Term> terms;
  const Term& busiest() const;
  double seconds() const { return busiest().seconds(); }
};

// For any implementation: operands moved once, products at the precision's peak, special functions at their rate.
Bound floor(const Gpu& gpu, const kernels::Cost& cost, kernels::Precision precision);

// For this implementation, with caches that hold none of the operands: the floor, with the units of only as many
// multiprocessors as it has blocks at a time, and the counted needs of its accesses:
//   memory: operands once. What it moves beside them (sectors half used, its workspace) counts only as far as L2
//     cannot hold it, written and read again;
//   L2: distinct sectors that come in and all that are written, through the multiprocessors' ports;
//   load/store: a cycle for each 128 bytes of global memory, at least one a request, and each wavefront of shared memory,
//     of wide accesses every other one.
Bound bound(const Gpu& gpu, const kernels::Cost& cost, kernels::Precision precision,
            const simt::Profile& profile, std::span<const simt::Launch> launches);

// Cycles that the load/store units of multiprocessors take for these accesses at least.
double load_store_cycles(const simt::AccessProfile& access);

// Operations for each byte of compulsory traffic.
double intensity(const kernels::Cost& cost);

// "special functions: 10.5 M at 4.18 T/s"
std::string describe(const Term& term);

}  // namespace cuelbo::lab
