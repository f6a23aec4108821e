// Programs such as mpirun and srun, which start several copies of a process.
#pragma once

namespace cuelbo {

// Throws Error if this process is one of several that a launcher started: each would train a run of its own in the same
// directory.
void refuse_several_processes();

}  // namespace cuelbo
