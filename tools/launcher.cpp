#include "tools/launcher.hpp"

#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "engine/error.hpp"

namespace cuelbo {

namespace {

struct Variable {
  const char* name;
  const char* launcher;
  long allowed;  // largest value of a process that is alone
};
// Sizes, which launchers set for the processes they start. SLURM_NTASKS is not among them: sbatch sets it for its script
// too, which is one process. PMIx tells only the rank.
constexpr std::array variables{Variable{"OMPI_COMM_WORLD_SIZE", "Open MPI", 1},
                               Variable{"PMI_SIZE", "MPICH or Intel MPI", 1},
                               Variable{"MV2_COMM_WORLD_SIZE", "MVAPICH2", 1},
                               Variable{"SLURM_STEP_NUM_TASKS", "srun", 1},
                               Variable{"PALS_SIZE", "PALS", 1},
                               Variable{"JSM_NAMESPACE_SIZE", "jsrun", 1},
                               Variable{"FLUX_JOB_SIZE", "Flux", 1},
                               Variable{"PMIX_RANK", "PMIx", 0}};

}  // namespace

void refuse_several_processes() {
  for (const Variable& variable : variables) {
    const char* const text = std::getenv(variable.name);
    if (text == nullptr) continue;
    const std::string_view value = text;
    long number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    if (number > variable.allowed)
      fail(
          "train: {} started several processes ({}={}), but a run is trained by one: start it once; to train "
          "separate runs, unset {}",
          variable.launcher, variable.name, value, variable.name);
  }
}

}  // namespace cuelbo
