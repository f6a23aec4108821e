// `kernels check` names what is wrong with a kernel: each of these has one planted fault, or none.
#include <gmock/gmock.h>

#include "kernels/runtime/cuda.hpp"
#include "tools/lab/check.hpp"

extern "C" const cuelbo::DeviceModule* cuelbo_device_module();

namespace cuelbo::lab {
namespace {

using namespace kernels;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr unsigned block = 64;

unsigned blocks_of(std::int64_t count) { return static_cast<unsigned>((count + block - 1) / block); }

// ---- add: f(args, i) by every thread of a grid that covers the elements

template <class F>
__global__ void for_threads(Add a, F f) {
  f(a, std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x);
}
template <auto f>
void launch_add(const Add& a, Stream stream) {
  const auto body = [](const Add& args, std::int64_t i) { f(args, i); };
  if (a.count > 0) launch(for_threads<decltype(body)>, blocks_of(a.count), block, 0, stream, a, body);
}

void add_right(const Add& a, std::int64_t i) {
  if (i < a.count) a.y[i] = a.a[i] + a.b[i];
}
void add_past_the_end(const Add& a, std::int64_t i) {
  if (i <= a.count) a.y[i] = a.a[i] + a.b[i];
}
// The memory behind the inputs is a guard too.
void add_and_copy_past_the_end(const Add& a, std::int64_t i) {
  add_right(a, i);
  if (i == a.count) a.y[i] = a.a[i];
}
void add_before_the_start(const Add& a, std::int64_t i) {
  add_right(a, i);
  if (i == 0) a.y[-1] = 0;
}
void add_into_its_input(const Add& a, std::int64_t i) {
  if (i >= a.count) return;
  const_cast<float*>(a.a)[i] += a.b[i];
  a.y[i] = a.a[i];
}
void add_all_but_the_last(const Add& a, std::int64_t i) {
  if (i + 1 < a.count) a.y[i] = a.a[i] + a.b[i];
}
void add_a_thousandth_too_much(const Add& a, std::int64_t i) {
  if (i < a.count) a.y[i] = 1.001F * (a.a[i] + a.b[i]);
}
void add_a_little_too_much(const Add& a, std::int64_t i) {
  if (i < a.count) a.y[i] = 1.000003F * (a.a[i] + a.b[i]);
}
void add_one_to_integers(const Add& a, std::int64_t i) {
  if (i >= a.count) return;
  const float sum = a.a[i] + a.b[i];
  a.y[i] = sum == rintf(sum) ? sum + 1 : sum;
}
void add_without_nan(const Add& a, std::int64_t i) {
  if (i < a.count) a.y[i] = fmaxf(a.a[i] + a.b[i], -1e30F);
}
void add_whole_packs(const Add& a, std::int64_t i) {
  if (i < a.count / 4 * 4) a.y[i] = a.a[i] + a.b[i];
}
void add_in_one_block(const Add& a, std::int64_t i) {
  if (i < block) add_right(a, i);
}
void add_with_a_barrier_for_some(const Add& a, std::int64_t i) {
  if (i % 2 == 0) __syncthreads();
  add_right(a, i);
  if (i % 2 == 1) __syncwarp();
}
void launch_add_of_nothing(const Add& a, Stream stream) {
  const auto body = [](const Add& args, std::int64_t i) { add_right(args, i); };
  launch(for_threads<decltype(body)>, blocks_of(a.count), block, 0, stream, a, body);
}

// ---- sum_columns: one block per row

// The last thread, which runs last in forward order, adds up what the others may not have left yet.
__global__ void sum_without_barrier(SumColumns a) {
  __shared__ float partial[block];
  float sum = 0;
  for (std::int64_t c = threadIdx.x; c < a.columns; c += block) sum += a.x[blockIdx.x * a.columns + c];
  partial[threadIdx.x] = sum;
  if (threadIdx.x != block - 1) return;
  float total = 0;
  for (const float p : partial) total += p;
  a.y[blockIdx.x] = a.factor * total;
}
__global__ void sum_by_atomics(SumColumns a) {
  if (threadIdx.x == 0) a.y[blockIdx.x] = 0;
  __syncthreads();
  for (std::int64_t c = threadIdx.x; c < a.columns; c += block)
    atomicAdd(&a.y[blockIdx.x], a.factor * a.x[blockIdx.x * a.columns + c]);
}
template <void (*kernel)(SumColumns)>
void launch_sum(const SumColumns& a, Stream stream) {
  if (a.rows > 0) launch(kernel, static_cast<unsigned>(a.rows), block, 0, stream, a);
}

// ---- sum_rows: one thread per column, through a workspace

template <bool cleared>
__global__ void sum_in_workspace(SumRows a) {
  const std::int64_t c = std::int64_t{blockIdx.x} * block + threadIdx.x;
  if (c >= a.columns) return;
  float* const sum = static_cast<float*>(a.workspace) + c;
  if (cleared) *sum = 0;
  for (std::int64_t r = 0; r < a.rows; ++r) *sum += a.x[r * a.columns + c];
  a.y[c] = a.factor * *sum;
}
template <bool cleared>
void launch_sum_rows(const SumRows& a, Stream stream) {
  if (a.columns > 0) launch(sum_in_workspace<cleared>, blocks_of(a.columns), block, 0, stream, a);
}
std::size_t a_float_a_column(const SumRows& a) { return sizeof(float) * static_cast<std::size_t>(a.columns); }
std::size_t half_of_that(const SumRows& a) { return a_float_a_column(a) / 2; }

// ---- scale_rows: with the columns for the rows, which a square matrix does not show

template <bool transposed>
__global__ void scale(ScaleRows a) {
  const std::int64_t i = std::int64_t{blockIdx.x} * block + threadIdx.x;
  if (i >= a.rows * a.columns) return;
  const std::int64_t row = transposed ? i / a.rows : i / a.columns;
  a.y[i] = a.scale[row < a.rows ? row : a.rows - 1] * a.x[i];
}
template <bool transposed>
void launch_scale(const ScaleRows& a, Stream stream) {
  if (a.rows * a.columns > 0) launch(scale<transposed>, blocks_of(a.rows * a.columns), block, 0, stream, a);
}

// ---- the test

template <class Args>
CheckResult check_planted(const char* name, Kernel<Args> KernelTable::* member, Kernel<Args> kernel,
                          std::vector<Shape> shapes = {}) {
  const DeviceModule& module = *cuelbo_device_module();
  const std::unique_ptr<Device> device = module.open(0, {.name = "simt", .threads = 2});
  const Contract& contract = find_contract(name);
  if (shapes.empty()) shapes = contract.checked_shapes();
  for (Shape& shape : shapes) shape = contract.complete(shape);
  KernelTable table = device->kernels();
  table.*member = kernel;
  return check(*device, module, table, {.kernel = name, .name = "planted"}, contract, shapes,
               std::vector{0, 1, 2});
}
CheckResult check_add(void (*launch)(const Add&, Stream)) {
  return check_planted<Add>("add", &KernelTable::add, {launch});
}

// For EXPECT_THAT: the faults in words.
std::string faults(const CheckResult& result) {
  std::string text;
  for (const Fault& fault : result.faults)
    text += to_string(fault.shape) + " " + name_of(fault.inputs) + ": " + fault.text + "\n";
  return text;
}

TEST(KernelCheck, PassesWhatIsRight) {
  EXPECT_THAT(faults(check_add(launch_add<add_right>)), IsEmpty());
  EXPECT_THAT(faults(check_planted<SumRows>("sum_rows", &KernelTable::sum_rows,
                                            {launch_sum_rows<true>, a_float_a_column})),
              IsEmpty());
  EXPECT_THAT(faults(check_planted<ScaleRows>("scale_rows", &KernelTable::scale_rows, {launch_scale<false>})),
              IsEmpty());
}

TEST(KernelCheck, NamesAWriteBesideABuffer) {
  EXPECT_THAT(faults(check_add(launch_add<add_past_the_end>)),
              HasSubstr("count=1 real: writes 0 bytes behind 'y'"));
  EXPECT_THAT(faults(check_add(launch_add<add_and_copy_past_the_end>)),
              HasSubstr("count=1 real: writes 0 bytes behind 'y'"));
  EXPECT_THAT(faults(check_add(launch_add<add_before_the_start>)),
              HasSubstr("writes 4 bytes in front of 'y'"));
  EXPECT_THAT(
      faults(check_planted<SumRows>("sum_rows", &KernelTable::sum_rows, {launch_sum_rows<true>, half_of_that},
                                    {{{"rows", 3}, {"columns", 6}}})),
      HasSubstr("writes 0 bytes behind 'workspace'"));
}

TEST(KernelCheck, NamesAnInputThatIsChanged) {
  EXPECT_THAT(faults(check_add(launch_add<add_into_its_input>)), HasSubstr("changes its input 'a'"));
}

TEST(KernelCheck, NamesAnElementThatIsNotWritten) {
  EXPECT_THAT(faults(check_add(launch_add<add_all_but_the_last>)),
              HasSubstr("count=127 real: y[126] is not written, or made of memory that is not; 1 of 127"));
}

TEST(KernelCheck, NamesMemoryThatIsReadBeforeItIsWritten) {
  EXPECT_THAT(faults(check_planted<SumRows>("sum_rows", &KernelTable::sum_rows,
                                            {launch_sum_rows<false>, a_float_a_column})),
              HasSubstr("y[0] is not written, or made of memory that is not"));
}

TEST(KernelCheck, NamesWrongValues) {
  const CheckResult result = check_add(launch_add<add_a_thousandth_too_much>);
  EXPECT_THAT(faults(result), AllOf(HasSubstr("real: y[0] is "), HasSubstr(", the reference ")));
  EXPECT_GT(result.error, 2e-4);
  EXPECT_LT(result.error, 1e-3);
  EXPECT_THAT(faults(check_add(launch_add<add_one_to_integers>)), HasSubstr(", and integers are exact"));
  // Within the tolerance of reals, but integers show it.
  const std::string small = faults(check_add(launch_add<add_a_little_too_much>));
  EXPECT_THAT(small, HasSubstr(" integers: y["));
  EXPECT_THAT(small, Not(HasSubstr(" real: ")));
}

TEST(KernelCheck, NamesANaNThatIsLost) {
  const std::string text = faults(check_add(launch_add<add_without_nan>));
  EXPECT_THAT(text, HasSubstr(" non_finite: y["));
  EXPECT_THAT(text, Not(HasSubstr(" real: ")));
}

TEST(KernelCheck, NamesTheOrderOfThreadsThatShowsARace) {
  EXPECT_THAT(faults(check_planted<SumColumns>("sum_columns", &KernelTable::sum_columns,
                                               {launch_sum<sum_without_barrier>})),
              HasSubstr("real: when threads run in reverse order: y[0] is not written, or made of memory"));
  EXPECT_THAT(faults(check_planted<SumColumns>("sum_columns", &KernelTable::sum_columns,
                                               {launch_sum<sum_by_atomics>})),
              HasSubstr("real: gives other bits when threads run in reverse order"));
}

TEST(KernelCheck, NamesTheLineOfAForbiddenBarrier) {
  EXPECT_THAT(faults(check_add(launch_add<add_with_a_barrier_for_some>)), HasSubstr("check_test.cpp:"));
}

// Each of these is right for other shapes.
TEST(KernelCheck, HasShapesThatShowWhatOthersHide) {
  const CheckResult packs = check_add(launch_add<add_whole_packs>);
  EXPECT_THAT(faults(packs), HasSubstr("count=1023 real"));
  EXPECT_THAT(faults(packs), Not(HasSubstr("count=1024 ")));
  const CheckResult one_block = check_add(launch_add<add_in_one_block>);
  EXPECT_THAT(faults(one_block), HasSubstr("count=127 real"));
  EXPECT_THAT(faults(one_block), Not(HasSubstr("count=5 ")));
  const std::string nothing = faults(check_add(launch_add_of_nothing));
  EXPECT_THAT(nothing, HasSubstr("count=0 real"));
  EXPECT_THAT(nothing, Not(HasSubstr("count=1 ")));
  const std::string transposed =
      faults(check_planted<ScaleRows>("scale_rows", &KernelTable::scale_rows, {launch_scale<true>}));
  EXPECT_THAT(transposed, HasSubstr("columns=31,rows=32 real"));
  EXPECT_THAT(transposed, Not(HasSubstr("columns=33,rows=33 ")));
}

}  // namespace
}  // namespace cuelbo::lab
