"""Tests of bench/compare.py and bench/interleave.py.

Usage: python3 tests/bench/compare_test.py [PROGRAM]   (cuelbo_bench, for the test that runs it)
"""

import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
SCRIPT, INTERLEAVE = BENCH / "compare.py", BENCH / "interleave.py"
sys.path.insert(0, str(BENCH))

import compare  # noqa: E402

PROGRAM = sys.argv.pop() if len(sys.argv) == 2 and not sys.argv[1].startswith("-") else None


def kernel(variant, seconds, **more):
    return {"kernel": "add", "variant": variant, "shape": {"count": 8}, "seconds": seconds, **more}


def google(name, times):
    return [{"name": name, "run_name": name, "run_type": "iteration", "real_time": t, "time_unit": "us"} for t in times]


def runs(*times_of_a, **more):
    """A file of one run for each time of the row a."""
    return {"runs": [{"results": [kernel("a", seconds, **more)]} for seconds in times_of_a]}


class SharedMachine:
    """Times of programs as a busy machine gives them: runs differ by 5 %, a neighbour halves the speed of every tenth run and
    of single rows, and the clock drifts by 20 %."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.run = 0

    def runs(self, programs, rows, pairs):
        """A time for each program, row and run; `programs` are factors on the times."""
        times = [{row: [] for row in range(rows)} for _ in programs]
        for pair in range(pairs):
            for side in (0, 1) if pair % 2 == 0 else (1, 0):
                self.run += 1
                slow = 2 if self.random.random() < 0.1 else 1
                drift = 1 + 0.2 * math.sin(self.run / 7)
                for row in range(rows):
                    noise = math.exp(self.random.gauss(0, 0.05)) * (1.65 if self.random.random() < 0.05 else 1)
                    times[side][row].append(1e-5 * programs[side] * slow * drift * noise)
        return times

    def changed(self, programs, rows=8, pairs=10):
        old, new = self.runs(programs, rows, pairs)
        return compare.judge({row: compare.ratio_of(old[row], new[row]) for row in old}, 1)


class Statistics(unittest.TestCase):
    def test_a_program_does_not_differ_from_itself(self):
        comparisons = 200
        false = sum(bool(SharedMachine(seed).changed((1, 1))) for seed in range(comparisons))
        self.assertLessEqual(false, 0.05 * comparisons)

    def test_a_slower_program_is_found_on_a_quiet_machine(self):
        quiet = random.Random(1)
        old = [1e-5 * math.exp(quiet.gauss(0, 0.02)) for _ in range(10)]
        new = [1.1e-5 * math.exp(quiet.gauss(0, 0.02)) for _ in range(10)]
        ratio = compare.ratio_of(old, new)
        self.assertEqual(compare.judge({"a": ratio} | {f"same {i}": compare.Ratio(1, 0.9, 1.1, 1) for i in range(99)}, 1), ["a"])
        self.assertTrue(1 < ratio.low < 1.1 < ratio.high)

    def test_a_program_half_as_fast_is_found_on_a_busy_one(self):
        found = sum(len(SharedMachine(seed).changed((1, 2), pairs=20)) for seed in range(50))
        self.assertGreaterEqual(found, 0.9 * 50 * 8)

    def test_students_distribution(self):
        # 97.5 % quantiles of the usual tables.
        for freedom, t in {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 10: 2.228, 29: 2.045}.items():
            self.assertAlmostEqual(compare.two_sided_p(t, freedom), 0.05, delta=5e-5)
            self.assertAlmostEqual(compare.t_bound(freedom), t, delta=1e-3)
        self.assertEqual(compare.two_sided_p(0, 7), 1)
        self.assertAlmostEqual(compare.two_sided_p(1, 1), 0.5)


class Compare(unittest.TestCase):
    def compare(self, old, new, *options):
        with tempfile.TemporaryDirectory() as folder:
            files = [pathlib.Path(folder) / name for name in ("old.json", "new.json")]
            for file, content in zip(files, (old, new)):
                file.write_text(content if isinstance(content, str) else json.dumps(content))
            return subprocess.run([sys.executable, SCRIPT, *files, *options], capture_output=True, text=True, check=False)

    def test_the_spread_between_runs_decides(self):
        # 1.65 times in the middle, but pairs contradict each other. The times within a run may be as steady as they like.
        wild = self.compare(runs(1e-5, 3e-5, 1e-5, 3e-5, 1e-5, 3e-5), runs(3e-5, 1e-5, 1.65e-5, 1e-5, 3e-5, 5e-5))
        self.assertIn("1 timed in 6 pairs of runs, 0 changed beyond noise, 0 slower", wild.stdout)
        old, new = runs(10e-6, 11e-6, 12e-6, 10e-6, 11e-6, 12e-6), runs(20e-6, 22e-6, 24.1e-6, 20.1e-6, 22e-6, 24e-6)
        done = self.compare(old, new)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("slower  2.00× (2.00–2.01)  add/a count=8  11.00 µs → 22.00 µs", done.stdout)
        self.assertIn("1 changed beyond noise, 1 slower", done.stdout)
        self.assertEqual(self.compare(old, new, "--fail-if-slower").returncode, 1)
        self.assertEqual(self.compare(new, old, "--fail-if-slower").returncode, 0)
        self.assertIn("faster  2.00× (2.00–2.01)", self.compare(new, old).stdout)

    def test_a_small_difference_is_left_out(self):
        old, new = (runs(*[s * (1 + i * 1e-5) for i in range(6)]) for s in (10e-6, 10.05e-6))
        self.assertIn("0 changed", self.compare(old, new).stdout)
        self.assertIn("1 changed", self.compare(old, new, "--least", "0.4").stdout)

    def test_few_runs_are_shown_and_not_judged(self):
        for old, new in (({"benchmarks": google("f", [10])}, {"benchmarks": google("f", [20, 22, 24])}), (runs(10e-6), runs(22e-6)),
                         (runs(*[10e-6] * 5), runs(*[22e-6] * 5))):
            done = self.compare(old, new)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("not judged  2.20×", done.stdout)
            self.assertIn("1 timed, none judged", done.stdout)
            self.assertEqual(self.compare(old, new, "--fail-if-slower").returncode, 1)

    def test_reads_gpu_check(self):
        def check(seconds):
            return {"stages": [{"stage": "device"}, {"stage": "benchmark", "result": {
                "kernels": {"add": {"results": [kernel("a", seconds)]}, "sub": {"error": "it ended early"}}}}]}
        self.assertIn("not judged  2.00×  add/a", self.compare(check(1e-6), check(2e-6)).stdout)
        self.assertIn("0 timed", self.compare({"stages": [{"stage": "benchmark"}]}, check(2e-6)).stdout)

    def test_counts_are_exact(self):
        counted = [{"results": [{"kernel": "add", "variant": "a", "shape": {}, "counted": {"moved_bytes": n}}]} for n in (96, 128)]
        self.assertIn("counted  add/a  moved_bytes  96 → 128", self.compare(*counted).stdout)
        self.assertIn("1 counted, 0 changed", self.compare(counted[0], counted[0]).stdout)

    def test_names_what_only_one_has(self):
        old, new = ({"results": [kernel(v, 1e-6)]} for v in "ab")
        done = self.compare(old, new)
        self.assertIn("only in the old file: add/a count=8", done.stdout)
        self.assertIn("only in the new file: add/b count=8", done.stdout)
        part = {"runs": [{"results": [kernel("a", 1e-6), kernel("b", 1e-6)]}, {"results": [kernel("a", 1e-6)]}]}
        self.assertIn("not in every run: add/b", self.compare(part, part).stdout)

    def test_says_what_is_wrong_with_a_file(self):
        good = {"results": []}
        for bad in ("{", "[]", '{"results": [{}]}', '{"nothing": 1}', '{"runs": [{}]}', json.dumps(runs(0.0)), json.dumps(runs(math.nan))):
            done = self.compare(bad, good)
            self.assertEqual(done.returncode, 1, bad)
            self.assertIn("old.json'", done.stderr)
            self.assertEqual(done.stdout, "")
        done = self.compare(runs(1, 2), runs(1, 2, 3))
        self.assertEqual(done.returncode, 1)
        self.assertIn("2 run(s)", done.stderr)


class Interleave(unittest.TestCase):
    def interleave(self, folder, *arguments):
        return subprocess.run([sys.executable, INTERLEAVE, "--output", folder, *arguments], capture_output=True, text=True, check=False)

    def program(self, folder, name, body):
        path = pathlib.Path(folder) / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def test_programs_take_turns(self):
        with tempfile.TemporaryDirectory() as folder:
            old, new = (self.program(folder, name, f"echo {name} >> {folder}/order; echo '{{\"results\": []}}'") for name in ("a", "b"))
            done = self.interleave(folder, old, new, "--pairs", "3")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual((pathlib.Path(folder) / "order").read_text().split(), ["a", "b", "b", "a", "a", "b"])
            self.assertEqual(len(json.loads((pathlib.Path(folder) / "old.json").read_text())["runs"]), 3)

    def test_says_what_a_program_lacks(self):
        with tempfile.TemporaryDirectory() as folder:
            good = self.program(folder, "good", "echo {}")
            for body, message in (("echo no JSON", "did not print JSON"), ("echo 'it broke' >&2; exit 3", "it broke")):
                done = self.interleave(folder, good, self.program(folder, "bad", body))
                self.assertEqual(done.returncode, 1)
                self.assertIn(message, done.stderr)
            self.assertIn("not at least 1", self.interleave(folder, good, good, "--pairs", "0").stderr)

    @unittest.skipUnless(PROGRAM, "needs cuelbo_bench")
    def test_a_program_against_itself(self):
        """The documented command, shortened: so few pairs are never judged, whatever the machine is doing."""
        with tempfile.TemporaryDirectory() as folder:
            done = self.interleave(folder, PROGRAM, PROGRAM, "--pairs", "2", "--", "--benchmark_filter=^add/.*threads:1/", "--benchmark_min_time=0.001")
            self.assertEqual(done.returncode, 0, done.stderr)
            files = [pathlib.Path(folder) / name for name in ("old.json", "new.json")]
            compared = subprocess.run([sys.executable, SCRIPT, *files], capture_output=True, text=True, check=False)
            self.assertEqual(compared.returncode, 0, compared.stderr)
            self.assertRegex(compared.stdout, r"[1-9]\d* timed, none judged: 2 pair\(s\) of runs")
            for run in json.loads(files[0].read_text())["runs"]:
                for key in ("commit", "cpu", "compiler", "flags", "date"):
                    self.assertTrue(run["context"].get(key), key)
                for row in run["benchmarks"]:
                    self.assertFalse([counter for counter in row if set(counter) & set(" %,")], row)


if __name__ == "__main__":
    unittest.main()
