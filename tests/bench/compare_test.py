"""Tests of bench/compare.py. Usage: python3 tests/bench/compare_test.py"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "bench" / "compare.py"


def kernel(variant, seconds, spread, samples=100, **more):
    return {"kernel": "add", "variant": variant, "shape": {"count": 8}, "seconds": seconds,
            "quartiles": [seconds - spread / 2, seconds + spread / 2], "samples": samples, **more}


def google(name, times):
    return [{"name": name, "run_name": name, "run_type": "iteration", "real_time": t, "time_unit": "us"} for t in times]


class Compare(unittest.TestCase):
    def compare(self, old, new, *options):
        with tempfile.TemporaryDirectory() as folder:
            files = [pathlib.Path(folder) / name for name in ("old.json", "new.json")]
            for file, content in zip(files, (old, new)):
                file.write_text(content if isinstance(content, str) else json.dumps(content))
            return subprocess.run([sys.executable, SCRIPT, *files, *options], capture_output=True, text=True, check=False)

    def test_a_difference_beyond_the_notches_is_a_change(self):
        # Notches: 1.57 · 1e-6 / √100 = 0.157 µs on each side of 10 µs, so medians may differ by 0.314 µs.
        old = {"results": [kernel("a", 10e-6, 1e-6), kernel("b", 10e-6, 1e-6)]}
        new = {"results": [kernel("a", 10.30e-6, 1e-6), kernel("b", 10.33e-6, 1e-6)]}
        done = self.compare(old, new)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("slower  1.03×  add/b count=8  10.00 µs → 10.33 µs", done.stdout)
        self.assertNotIn("add/a", done.stdout)
        self.assertIn("2 timed, 1 changed beyond noise, 1 slower", done.stdout)
        self.assertEqual(self.compare(old, new, "--fail-if-slower").returncode, 1)
        self.assertEqual(self.compare(new, old, "--fail-if-slower").returncode, 0)
        self.assertIn("faster  1.03×", self.compare(new, old).stdout)

    def test_a_small_difference_is_left_out(self):
        old, new = ({"results": [kernel("a", s, 1e-12)]} for s in (10e-6, 10.05e-6))
        self.assertIn("0 changed", self.compare(old, new).stdout)
        self.assertIn("1 changed", self.compare(old, new, "--least", "0.4").stdout)

    def test_google_benchmark_needs_repetitions(self):
        old = {"benchmarks": google("f", [10, 11, 12, 11, 10])}
        new = {"benchmarks": google("f", [20, 21, 22, 21, 20])}
        self.assertIn("slower  1.91×  f  11.00 µs → 21.00 µs", self.compare(old, new).stdout)
        once = self.compare({"benchmarks": google("f", [10])}, new)
        self.assertEqual(once.returncode, 1)
        self.assertIn("--benchmark_repetitions", once.stderr)

    def test_reads_gpu_check(self):
        def check(seconds):
            return {"stages": [{"stage": "device"}, {"stage": "benchmark", "result": {
                "kernels": {"add": {"results": [kernel("a", seconds, 1e-9)]}, "sub": {"error": "it ended early"}}}}]}
        self.assertIn("slower  2.00×  add/a", self.compare(check(1e-6), check(2e-6)).stdout)
        self.assertIn("0 timed", self.compare({"stages": [{"stage": "benchmark"}]}, check(2e-6)).stdout)

    def test_counts_are_exact(self):
        counted = [{"results": [{"kernel": "add", "variant": "a", "shape": {}, "counted": {"moved_bytes": n}}]} for n in (96, 128)]
        self.assertIn("counted  add/a  moved_bytes  96 → 128", self.compare(*counted).stdout)
        self.assertIn("1 counted, 0 changed", self.compare(counted[0], counted[0]).stdout)

    def test_names_what_only_one_has(self):
        old, new = ({"results": [kernel(v, 1e-6, 0)]} for v in "ab")
        done = self.compare(old, new)
        self.assertIn("only in the old file: add/a count=8", done.stdout)
        self.assertIn("only in the new file: add/b count=8", done.stdout)

    def test_says_what_is_wrong_with_a_file(self):
        good = {"results": []}
        for bad in ("{", "[]", '{"results": [{}]}', '{"nothing": 1}'):
            done = self.compare(bad, good)
            self.assertEqual(done.returncode, 1, bad)
            self.assertIn("old.json'", done.stderr)
            self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
