"""Tests of what bench/peers does with answers and figures; no framework is needed.

Usage: python3 tests/bench/peers_test.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

PEERS = pathlib.Path(__file__).resolve().parents[2] / "bench" / "peers"
sys.path.insert(0, str(PEERS))

import figures  # noqa: E402
import process  # noqa: E402
import tuning  # noqa: E402

CASE = types.SimpleNamespace(kind="training", title="MLP", command="run", block_ms=60, tolerance={"loss": 1e-5})


class FakePeer:
    """Answers with the milliseconds and the difference that its variants are given."""

    def __init__(self, framework, variants):
        self.framework, self.variants, self.calls = framework, variants, []
        self.about = {"variants": list(variants)}

    def check(self, variant):
        if isinstance(self.variants[variant], str):
            raise process.PeerError(self.variants[variant])
        return {"loss": self.variants[variant][1]}

    def time(self, command, variant, count):
        self.calls.append(variant)
        return {"ms": self.variants[variant][0]}


class Tuning(unittest.TestCase):
    def test_the_fastest_comes_first_and_what_fails_is_reported(self):
        peer = FakePeer("A", {"slow": (90, 0), "fast": (70, 1e-6), "broken": "it has no such thing"})
        tried, contenders = tuning.tune(CASE, [peer, FakePeer("B", {"only": (80, 0)})])
        self.assertEqual([c.name for c in contenders], ["A: fast", "B: only", "A: slow"])
        self.assertEqual(tried["A: broken"], {"error": "it has no such thing"})

    def test_what_is_hopeless_gets_one_call(self):
        peer = FakePeer("A", {"fast": (100, 0), "hopeless": (151, 0), "near": (149, 0)})
        _, contenders = tuning.tune(CASE, [peer])
        self.assertEqual(peer.calls.count("hopeless"), 1)
        self.assertGreater(peer.calls.count("near"), 1)
        self.assertEqual(tuning.worth_more_threads(contenders), {"A: fast", "A: near"})

    def test_a_frameworks_best_stays_with_more_threads(self):
        _, contenders = tuning.tune(CASE, [FakePeer("A", {"x": (100, 0)}), FakePeer("B", {"y": (900, 0)})])
        worth = tuning.worth_more_threads(contenders)
        self.assertEqual(worth, {"A: x", "B: y"})
        tried, _ = tuning.tune(CASE, [FakePeer("A", {"x": (100, 0), "z": (1, 0)})], worth)
        self.assertEqual(list(tried), ["A: x"])

    def test_a_result_that_differs_ends_it(self):
        for difference in (2e-5, float("nan"), float("inf")):
            with self.assertRaisesRegex(process.PeerError, "results differ: A: wrong loss"):
                tuning.tune(CASE, [FakePeer("A", {"right": (1, 0), "wrong": (1, difference)})])

    def test_without_a_peer_there_is_no_comparison(self):
        with self.assertRaisesRegex(process.PeerError, "there is no peer"):
            tuning.tune(CASE, [FakePeer("A", {"broken": "no"})])


class Figures(unittest.TestCase):
    def test_ratios_are_of_neighbours(self):
        ours = [{"ms": ms} for ms in (1, 2, 4)]
        theirs = [{"ms": ms} for ms in (2, 6, 16)]
        compared = figures.compared(theirs, ours)
        self.assertEqual((compared["ms"], compared["ratio"]["median"]), (6, 3))

    def test_percentiles_are_of_all_calls(self):
        samples = [{"ms": 1, "us": list(range(0, 50))}, {"ms": 1, "us": list(range(50, 101))}]
        self.assertEqual(figures.summary(samples)["us"], {"p50": 50, "p90": 90, "p99": 99})

    def test_the_floor_takes_the_peak_measured_beside(self):
        ours = [{"ms": 10}, {"ms": 40}, {"ms": 10}]
        self.assertEqual(figures.share_of_floor(1e9, ours, [2e11, 1e11, 1e11])["median"], 0.5)


def compared(ms, ratio):
    return {"ms": ms, "ratio": {"first": ratio, "median": ratio, "third": ratio}}


def result(kind, case, ours, peers, **more):
    best = min(peers, key=lambda name: peers[name].get("ms", 0))
    of_framework = {name.split(":")[0]: name for name in peers}
    return {"kind": kind, "case": case, "threads": 1, "batch": 256, "device": "cpu (avx2, 1 thread)", "cuelbo": ours,
            "peers": peers, "best": best, "best_of_framework": of_framework, "tried": {}, **more}


class Table(unittest.TestCase):
    def write(self, readme, *results):
        content = {"machine": {"processor": "P", "cpus": 2}, "pairs": 11, "seconds": 1, "left_out": [], "results": results}
        with tempfile.TemporaryDirectory() as folder:
            source, target = (pathlib.Path(folder) / name for name in ("peers.json", "README.md"))
            source.write_text(json.dumps(content))
            target.write_text(readme)
            done = subprocess.run([sys.executable, PEERS / "write_table.py", source, target], capture_output=True,
                                  text=True, check=False)
            return done, target.read_text()

    def test_every_kind_has_its_row(self):
        peers = {"PyTorch: eager": compared(20, 2), "JAX: lax": compared(30, 3)}
        ours = {"ms": 10, "cpu_ms": 10, "share_of_floor": {"median": 0.5}, "fma_peak_gflops": {"median": 100},
                "arena_bytes": 4e6, "peak_mib": 10}
        us = {"us": {"p50": 1, "p90": 2, "p99": 3}}
        done, text = self.write(
            "a\n<!-- peers -->\nold\n<!-- /peers -->\nb\n",
            result("training", "conv, B = 256", ours, peers, pairs=5),
            result("decomposition", "64, 10, 2", ours, {"PyTorch: pairs": compared(40, 4)}),
            result("latency", "MLP encode, batch 1", ours | us, {"JAX: lax": compared(0.02, 2) | us}),
            result("loader", "dSprites", {"ms": 1}, {"PyTorch: index_select": compared(1, 1)}),
            result("start", "MLP, B = 256", {"ms": 50}, peers),
            result("memory", "conv, B = 256", {"peak_mib": 100}, {"PyTorch: eager": {"peak_mib": 900, "ratio": 9}}))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(text.startswith("a\n<!-- peers -->\n") and text.endswith("\n<!-- /peers -->\nb\n"))
        self.assertNotIn("old", text)
        for row in ("| conv, B = 256 | 1 | 10 | 50% | 20 | **2.00** (2.00–2.00) | PyTorch: eager | JAX 30 |",
                    "| 40 | **4.00** (4.00–4.00) | 4.0, 10 |", "| 1 / 2 / 3 | 50% | 1 / 2 / 3 | **2.00**",
                    "100 GFLOP/s (100–100) with 1", "256000", "**9.0**", "10 times fewer",
                    "Fewer pairs, of what takes long: conv, B = 256, 1 thread(s): 5."):
            self.assertIn(row, text)

    def test_needs_its_markers(self):
        done, text = self.write("nothing\n")
        self.assertEqual((done.returncode, text), (1, "nothing\n"))
        self.assertIn("needs one <!-- peers -->", done.stderr)


class Options(unittest.TestCase):
    """run.sh downloads gigabytes, but not to answer --help or to refuse an option."""

    def run_sh(self, *options):
        venv = PEERS.parents[1] / "build" / "peers-venv"
        before = venv.exists()
        done = subprocess.run(["bash", PEERS / "run.sh", *options], capture_output=True, text=True, check=False)
        self.assertEqual(venv.exists(), before)
        return done

    def test_help(self):
        for option in ("--help", "-h"):
            done = self.run_sh(option)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("Usage: bash bench/peers/run.sh", done.stdout)
            self.assertIn("--only ONLY", done.stdout)

    def test_wrong_options(self):
        for options, message in ((["--pears", "3"], "--pears"), (["--pairs", "many"], "many"), (["--device", "tpu"], "tpu")):
            done = self.run_sh(*options)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
