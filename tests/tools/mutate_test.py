"""Tests of tools/mutate.py. Usage: python3 tests/tools/mutate_test.py BUILD_FOLDER"""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from mutation.report import Report  # noqa: E402
from mutation.sites import CLASSES, Mutant, mutants_of, mutated_files, sample  # noqa: E402
from mutation.trial import Module, Outcome  # noqa: E402

KERNEL = """\
#include "kernels/x.hpp"  // i + 1
int host(int i) { return i + 1; }
template <int n>
__global__ void __launch_bounds__(n) kernel(const float* x, float* y, int count) {
  __shared__ float tile[n];
  const int i = blockIdx.x * n + threadIdx.x;
  if (i >= count) return;  // x[i] < 2
  tile[threadIdx.x] = 0.5F * x[i];
  __syncthreads();
  y[i] = __shfl_xor_sync(~0U, tile[threadIdx.x], 1);
}
void launch_it(int i) { launch(kernel<32>, i + 1); }
"""


def changes(kind: str) -> set[str]:
    return {mutant.after for mutant in mutants_of("kernel.cu", KERNEL) if mutant.kind == kind}


def replacing(file: str, old: str, new: str) -> Mutant:
    source = (ROOT / file).read_text()
    if source.count(old) != 1:
        raise ValueError(f"'{old}' is not once in {file}")
    start = source.index(old)
    return Mutant(file, 1, "operator", start, start + len(old), new, old, new, "by-hand")


class Sites(unittest.TestCase):
    def test_every_class_changes_what_it_says(self) -> None:
        self.assertIn("y[i + 1] = __shfl_xor_sync(~0U, tile[threadIdx.x], 1);", changes("index"))
        self.assertIn("const int i = blockIdx.x * (n - 1) + threadIdx.x;", changes("index"))
        self.assertIn("const int i = blockIdx.x * n + threadIdx.y;", changes("index"))
        self.assertEqual(changes("guard"), {f"if ({c}) return;  // x[i] < 2" for c in ("i > count", "false")})
        self.assertEqual(changes("barrier"), {";"})
        self.assertEqual(
            changes("mask"),
            {
                f"y[i] = __shfl_xor_sync({a}, tile[threadIdx.x], {b});"
                for a, b in (("0xffffU", "1"), ("~0U", "1 * 2"), ("~0U", "1 / 2"))
            },
        )
        self.assertIn("tile[threadIdx.x] = (-0.5F) * x[i];", changes("constant"))
        self.assertIn("tile[threadIdx.x] = 0.5F + x[i];", changes("operator"))

    def test_only_device_code_is_changed(self) -> None:
        for mutant in mutants_of("kernel.cu", KERNEL):
            self.assertIn(mutant.line, range(6, 11))
            mutated = mutant.apply(KERNEL).splitlines()
            self.assertEqual(mutated[mutant.line - 1].strip(), mutant.after)
            self.assertNotEqual(mutant.before, mutant.after)
            self.assertEqual(len(mutated), len(KERNEL.splitlines()))

    def test_ids_are_different_and_do_not_depend_on_other_lines(self) -> None:
        ids = [mutant.id for mutant in mutants_of("kernel.cu", KERNEL)]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(ids, [mutant.id for mutant in mutants_of("kernel.cu", "int more;\n" + KERNEL)])

    def test_the_sample_is_of_every_folder_and_depends_on_the_seed_only(self) -> None:
        files = mutated_files(ROOT)
        self.assertFalse([file for file in files if "_library" in file])
        every = [mutant for file in files for mutant in mutants_of(file, (ROOT / file).read_text())]
        drawn = sample(every, 1)
        self.assertEqual(drawn, sample(list(reversed(every)), 1))
        self.assertNotEqual(drawn, sample(every, 2))
        self.assertEqual(
            {pathlib.PurePath(m.file).parent for m in drawn[:200]}, {pathlib.PurePath(f).parent for f in files}
        )
        self.assertEqual({mutant.kind for mutant in drawn[:200]}, set(CLASSES))


class Trials(unittest.TestCase):
    module: Module

    @classmethod
    def setUpClass(cls) -> None:
        cls.module = Module(ROOT, BUILD, "simt")

    def trial(self, old: str, new: str) -> Outcome:
        return self.module.run(replacing("kernels/activation/activation.cu", old, new))

    def test_a_wrong_kernel_is_killed(self) -> None:
        outcome = self.trial("return y_dy[1] *", "return y_dy[1] +")
        self.assertEqual((outcome.state, outcome.by), ("killed", "value"))
        self.assertTrue(outcome.variant.startswith("activation_backward/"), outcome.variant)

    def test_the_same_program_is_no_mutant(self) -> None:
        self.assertEqual(self.trial("return y_dy[1] *", "return *(y_dy + 1) *").state, "same code")

    def test_what_does_not_compile_is_no_mutant(self) -> None:
        self.assertEqual(self.trial("return y_dy[1] *", "return y_dy[1] &").state, "does not compile")


class Reports(unittest.TestCase):
    def test_a_survivor_needs_its_reason(self) -> None:
        mutants = mutants_of("kernel.cu", KERNEL)[:2]
        tried = [(mutants[0], Outcome("killed", by="value")), (mutants[1], Outcome("survived"))]
        reason = {
            "file": "kernel.cu",
            "before": mutants[1].before,
            "after": mutants[1].after,
            "reason": "no difference",
        }
        without, explained = Report(tried, [], 2, ["simt"]), Report(tried, [reason], 2, ["simt"])
        self.assertEqual((without.killed_share, without.unexplained), (0.5, [mutants[1]]))
        self.assertEqual(explained.unexplained, [])
        self.assertIn("no difference", explained.markdown())
        self.assertIn("| **all** | 1 of 2 |", explained.markdown())
        dated = Report(tried, [reason], 2, ["simt"], "1234567").markdown()
        self.assertIn("The kernels were those of commit 1234567.", dated)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop()).resolve()
    unittest.main()
