// The functions of curand.h that our variants call.
#include <curand.h>

#include "kernels/runtime/simt/libraries/checks.hpp"

using cuelbo::simt::CallCheck;
using cuelbo::simt::text;

struct curandGenerator_st {
  bool has_stream = false, has_seeds = false;
  cudaStream_t stream = nullptr;
};

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): names of ours

curandStatus_t curandCreateGenerator(curandGenerator_t* generator, curandRngType_t type) {
  CallCheck check("curandCreateGenerator");
  check.require(type == CURAND_RNG_PSEUDO_PHILOX4_32_10, text("generator ", type, " is not one that we use"));
  if (!check) return CURAND_STATUS_TYPE_ERROR;
  cuelbo::simt::object_made(*generator = new curandGenerator_st, "curandGenerator_t");
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandDestroyGenerator(curandGenerator_t generator) {
  CallCheck check("curandDestroyGenerator");
  check.destroy(generator, "curandGenerator_t");
  if (!check) return CURAND_STATUS_NOT_INITIALIZED;
  delete generator;
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandSetStream(curandGenerator_t generator, cudaStream_t stream) {
  CallCheck check("curandSetStream");
  if (!check.live(generator, "curandGenerator_t")) return CURAND_STATUS_NOT_INITIALIZED;
  generator->has_stream = true;
  generator->stream = stream;
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandSetPseudoRandomGeneratorSeed(curandGenerator_t generator, unsigned long long) {
  CallCheck check("curandSetPseudoRandomGeneratorSeed");
  if (!check.live(generator, "curandGenerator_t")) return CURAND_STATUS_NOT_INITIALIZED;
  generator->has_seeds = false;
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandGenerateSeeds(curandGenerator_t generator) {
  CallCheck check("curandGenerateSeeds");
  if (!check.live(generator, "curandGenerator_t")) return CURAND_STATUS_NOT_INITIALIZED;
  generator->has_seeds = true;
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandGenerateNormal(curandGenerator_t generator, float* output, std::size_t count, float mean,
                                    float deviation) {
  CallCheck check("curandGenerateNormal");
  if (!check.live(generator, "curandGenerator_t")) return CURAND_STATUS_NOT_INITIALIZED;
  check.require(generator->has_stream, "no stream was set");
  check.require(generator->has_seeds, "the seeds were not made");  // a graph could not hold that
  check.require(count % 2 == 0, text(count, " normals, which come in pairs"));
  if (!check) return CURAND_STATUS_LENGTH_NOT_MULTIPLE;
  const cuelbo::simt::Piece memory{"the output", output, sizeof(float) * count};
  check.memory(memory, 2 * sizeof(float));
  if (!check) return CURAND_STATUS_LAUNCH_FAILURE;
  check.submit(
      cuelbo::simt::NormalNoise{.output = output, .count = count, .mean = mean, .deviation = deviation},
      {memory}, generator->stream);
  return CURAND_STATUS_SUCCESS;
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)
