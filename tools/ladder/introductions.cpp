#include "tools/ladder/introductions.hpp"

#include <array>

namespace cuelbo::ladder {

namespace {

struct Introduction {
  std::string_view kernels;  // names that begin with this
  std::string_view text;
};

// The first entry that fits counts; the last one fits all.
constexpr std::array introductions{
    Introduction{"linear_forward",
                 "y = x · weightᵀ + bias: a product of matrices. Each of rows × out results is a sum of `in` "
                 "products, so every "
                 "element of x is needed `out` times and every weight `rows` times. What a kernel gains, it "
                 "gains by fetching "
                 "them less often."},
    Introduction{"linear_backward_data",
                 "The gradient of the input of a linear layer, dx = dy · weight: the same product of "
                 "matrices with the weight "
                 "read the other way round."},
    Introduction{"linear_backward_weight",
                 "The gradient of the weight of a linear layer, dweight = dyᵀ · x: a product whose sums run "
                 "over the rows of a "
                 "batch, so few results take long sums."},
    Introduction{"conv2d_forward",
                 "Each pixel of the small image is a sum over a window of the large one, for every pair of "
                 "channels. Written "
                 "as a product of matrices, (pixels × window) · (window × channels), it needs no such matrix "
                 "in memory: its "
                 "elements are fetched from the image where they are needed. That is an implicit product."},
    Introduction{"conv2d_backward_data",
                 "The gradient of a convolution's image, and the transposed convolution of decoders. With a "
                 "stride of 2 each "
                 "pixel of the large image is touched by only a quarter of the window's weights, and which "
                 "quarter depends on "
                 "whether its row and column are even: four phases, each a product of its own."},
    Introduction{"conv2d_backward_weight",
                 "The gradient of a convolution's weight: a few thousand sums that each run over all pixels "
                 "of the batch. A GPU "
                 "has more threads than there are sums, so the sums are cut into slices, which are then "
                 "added in a fixed order."},
    Introduction{
        "reparameterize",
        "z = mean + exp(logvar / 2) · ε with standard normal noise ε. It does little with what it reads, so "
        "memory "
        "decides: the best kernel makes ε from a counter in registers (Philox) and never stores it."},
    Introduction{
        "elbo_decomposition_forward",
        "log q(z) of every row under the mixture of all columns' Gaussians, for each group of dimensions: "
        "rows × columns "
        "× dims densities, each an exponential. Frameworks store them all; only the sums are wanted."},
    Introduction{"elbo_decomposition_backward",
                 "The gradients of those log-densities: the same pairs again, now added up for each row and "
                 "for each column. Who "
                 "stores no pair computes it twice, which is cheaper than to fetch it."},
    Introduction{"sum_columns",
                 "The sum of each row of a matrix. Threads of a warp that read neighbouring elements share "
                 "one request; a thread "
                 "for each row reads far from its neighbours."},
    Introduction{"sum_of_squares",
                 "One sum over everything, in double precision and in a fixed order, so that it is the same "
                 "to the bit each time."},
    Introduction{"",
                 "One result for each element: nothing is used twice, so the memory's speed is all there is "
                 "to reach. A thread "
                 "that loads 16 bytes at once needs a quarter of the requests."},
};

struct Gain {
  std::string_view kernels, variant;  // kernels that begin with this
  std::string_view text;
};

constexpr std::array gains{
    Gain{"linear", "naive",
         "Every thread fetches both operands of every product from global memory: two loads for one "
         "multiply-add. Caches help, "
         "but the load/store units are busy all the time while the arithmetic waits."},
    Gain{"linear", "tiled",
         "A block fetches a tile of both operands once and all its threads use it from shared memory: each "
         "element is fetched "
         "from global memory a sixteenth as often. The two loads for a multiply-add remain, now of shared "
         "memory."},
    Gain{"linear", "register_tiled",
         "A thread makes 8 × 4 results: it loads 12 values from shared memory and does 32 multiply-adds with "
         "them, held in "
         "registers. Loads for an operation fall from 2 to 0.4, and larger tiles fetch less from global "
         "memory. While a tile is "
         "used, the next one is on its way."},
    Gain{"linear", "tensor_tf32",
         "Tensor cores multiply 16 × 8 × 8 tiles with one instruction of a warp. They round factors to 10 "
         "bits of mantissa; sums "
         "stay fp32. cp.async brings tiles to shared memory without passing through registers."},
    Gain{"linear", "tensor_bf16",
         "Factors of half the size, copied to bf16 first: half the traffic of shared memory and twice the "
         "products for an "
         "instruction. ldmatrix brings a fragment of four tiles at once. The copies cost a pass over the "
         "operands, which large "
         "products repay."},
    Gain{"conv2d", "direct",
         "The loops of the definition, a thread for each result. Neighbouring threads have neighbouring "
         "channels, so the weights "
         "are what they fetch apart; nothing is kept for the next product."},
    Gain{"conv2d", "tiled",
         "The convolution as an implicit product of matrices: a block fetches a tile of windows and a tile "
         "of weights to shared "
         "memory, where sixteen threads use each element."},
    Gain{"conv2d_backward_data", "implicit_gemm",
         "The stride splits the image into four phases, whose windows hold only the weights that count: no "
         "products with zeros. "
         "Each phase is a product by register tiles."},
    Gain{"conv2d_backward_weight", "implicit_gemm",
         "Register tiles, and pixels cut into slices so that all multiprocessors have work; a second kernel "
         "adds the slices in "
         "order, so that the result is the same to the bit each time."},
    Gain{"conv2d", "implicit_gemm",
         "Register tiles as in the product of matrices: 8 × 4 results a thread, 16-byte loads, the next tile "
         "fetched while this "
         "one is used."},
    Gain{"conv2d", "tensor_tf32",
         "The same implicit product on tensor cores, factors rounded to tf32, sums in fp32."},
    Gain{"conv2d", "tensor_bf16",
         "Factors of half the size and ldmatrix: half the traffic of shared memory, twice the products for "
         "an instruction."},
    Gain{"reparameterize", "scalar",
         "A Philox call makes four numbers; a thread that wants one throws three away. Loads and stores are "
         "of neighbouring "
         "floats, so no byte is moved in vain."},
    Gain{"reparameterize_forward", "noise_buffer",
         "What one does with a library's generator: the noise goes to memory and comes back, 8 of 20 bytes "
         "per element that the "
         "others do not move."},
    Gain{"reparameterize", "philox4",
         "A thread takes the four numbers of one call and four neighbouring elements: a quarter of the "
         "arithmetic of the "
         "generator, 16-byte accesses, a quarter of the requests."},
    Gain{"elbo_decomposition", "pairwise",
         "As frameworks do it: a tensor of rows × columns × dims in memory, written once and read for each "
         "sum over it."},
    Gain{"elbo_decomposition_backward", "thread",
         "Nothing is stored: each gradient's pairs are computed again from the saved sums. Threads of a warp "
         "read the same "
         "columns at once, but each fetches all of them."},
    Gain{"elbo_decomposition", "thread",
         "Nothing is stored: a thread goes over the columns and keeps the running maximum and sum (online "
         "log-sum-exp). One "
         "thread a row leaves most of a GPU idle."},
    Gain{"elbo_decomposition", "block",
         "The columns of a row shared among the threads of a block: enough threads for the GPU. But "
         "neighbouring lanes read columns "
         "that lie a whole row of dims apart, and use a fraction of each sector."},
    Gain{"elbo_decomposition", "tiled",
         "A block takes several rows and brings columns to shared memory in tiles: each is fetched once for "
         "all of them, and a "
         "density of one dimension serves its own sum, its group's and the joint one."},
    Gain{"elbo_decomposition_forward", "mma",
         "The exponents of wide blocks as a product of matrices on tensor cores. It saves one addition an "
         "element where "
         "exponentials are what takes the time, and cancels where variances are small: shown because it is "
         "often proposed."},
    Gain{"add", "float4",
         "Four neighbouring elements with one instruction: a quarter of the requests, the same bytes."},
    Gain{"exp", "float4",
         "Four neighbouring elements with one instruction: a quarter of the requests, the same bytes."},
    Gain{"sum_columns", "shuffle",
         "Lanes of a warp read neighbouring elements of one row, 16 bytes each, and add up their sums by "
         "shuffles: full sectors "
         "in place of one float of each."},
    Gain{"sum_of_squares", "two_phases",
         "Many blocks make partial sums, one block adds them in order: the whole GPU reads instead of one "
         "multiprocessor."},
};

constexpr std::array<std::string_view, 8> words{
    "**Warp.** 32 threads that run together. What they load with one instruction is one request.",
    "**Sector.** Memory comes in pieces of 32 bytes. A request of 32 neighbouring floats touches 4; of "
    "floats far apart, 32, of "
    "which an eighth is used. *Full sectors* is the share of what was moved that was asked for.",
    "**Bytes moved.** All sectors of all requests. Caches keep some of them from the memory, but not from "
    "the way to the caches. *Of "
    "the least*: over the bytes of operands and results, each moved once.",
    "**Shared memory, wavefront.** A block's own fast memory has 32 banks, four bytes wide. Lanes that want "
    "different words of "
    "one bank are served one after the other; each turn is a wavefront. 1× is no conflict.",
    "**Registers, occupancy.** A multiprocessor has 65536 registers. The fewer a thread takes, the more "
    "warps are there to run "
    "while others wait: occupancy is their share of the most there can be. Kernels with much to do in one "
    "thread need less of it.",
    "**Floor.** What the operation costs whoever does it: bytes over bandwidth, operations over peak, "
    "special functions over "
    "theirs, whichever is longest.",
    "**Least time.** The same for a variant, with what it was counted to move and the cycles its requests "
    "and wavefronts take. No "
    "run can be faster; how much slower a run is, only a GPU tells.",
    "**Roofline.** Further to the right a kernel does more with each byte that its requests move. The solid "
    "slope is what the "
    "load/store units can pass on, the dashed one what the memory can bring: between the two, a kernel lives "
    "on what caches "
    "keep. The roofs are what the arithmetic units can compute.",
};

}  // namespace

std::string_view introduction(std::string_view kernel) {
  for (const Introduction& one : introductions)
    if (kernel.starts_with(one.kernels)) return one.text;
  return {};
}

std::string_view gain(std::string_view kernel, std::string_view variant) {
  for (const Gain& one : gains)
    if (kernel.starts_with(one.kernels) && variant == one.variant) return one.text;
  return {};
}

std::span<const std::string_view> explanations() { return words; }

}  // namespace cuelbo::ladder
