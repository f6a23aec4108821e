"""Compares cuelbo with PyTorch: the same weights, inputs and noise; results first, then time. run.sh calls it.

For each case and number of threads: both sides compute; loss and gradients must agree; every variant of PyTorch is tried
and the fastest becomes the peer; then cuelbo and the peer take turns. Writes a JSON file.
"""

import argparse
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

from cases import CASES, GPU_CASES, write_case

HERE = pathlib.Path(__file__).parent
LOSS_TOLERANCE = 1e-5  # relative; of the decomposition: of the norm of log q̂
GRADIENT_TOLERANCE = 1e-4  # of the norm of each parameter's gradient
NAIVE = "pairs"  # the form of the decomposition that stores B×B×D


class PeerError(Exception):
    pass


class Process:
    """A side of the comparison: a line of JSON answers every line."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.about = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(f"{self.process.args[0]} ended: {self.process.communicate()[1].strip()[-2000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class Ours(Process):
    def __init__(self, options, arguments):
        path = {"LD_LIBRARY_PATH": options.library_path} if options.library_path else {}
        super().__init__([options.program, *arguments], os.environ | path)

    def run(self, steps):
        return self.ask(f"run {steps}")


class Torch(Process):
    def __init__(self, case_file, threads, cache):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
        # Freed memory stays, on huge pages: page faults would cost PyTorch up to half of its time.
        environment |= {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=17179869184"
                                          ":glibc.malloc.trim_threshold=17179869184",
                        "OMP_NUM_THREADS": str(threads), "TORCHINDUCTOR_CACHE_DIR": str(cache)}
        super().__init__([sys.executable, str(HERE / "torch_peer.py"), str(case_file)], environment)

    def run(self, variant, steps):
        return self.ask(json.dumps({"run": variant, "steps": steps}))

    def check(self, variant):
        return self.ask(json.dumps({"check": variant}))


def steps_for(milliseconds, target=60):
    """So many steps that a measurement lasts for about `target` ms."""
    return max(1, min(1000, round(target / milliseconds)))


def agrees(difference):
    return difference["loss"] <= LOSS_TOLERANCE and difference["gradient"] <= GRADIENT_TOLERANCE


def try_variants(peer):
    """{variant: its differences and milliseconds, or why it is out}."""
    tried = {}
    for variant in peer.about["variants"]:
        try:
            start = time.monotonic()
            tried[variant] = {"difference": peer.check(variant)}
            tried[variant]["first_seconds"] = time.monotonic() - start
            if not agrees(tried[variant]["difference"]):
                continue
            once = peer.run(variant, 1)["ms"]
            times = [peer.run(variant, steps_for(once))["ms"] for _ in range(2 if once > 300 else 3)]
            tried[variant]["ms"] = min(times)
        except PeerError as error:
            tried[variant] = {"error": str(error)}
    return tried


def quartiles(values):
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return {"first": first, "median": median, "third": third}


def summary(samples, ours):
    return {"ms": statistics.median(s["ms"] for s in samples), "cpu_ms": statistics.median(s["cpu_ms"] for s in samples),
            "ratio": quartiles([s["ms"] / o["ms"] for s, o in zip(samples, ours)])}


def take_turns(ours, peer, variants, pairs):
    """Samples of cuelbo and of each variant, one after the other, `pairs` times."""
    runs = [lambda n: ours.run(n)] + [lambda n, v=v: peer.run(v, n) for v in variants]
    counts = [steps_for(run(1)["ms"]) for run in runs]
    samples = [[] for _ in runs]
    for _ in range(pairs):
        for run, count, of_run in zip(runs, counts, samples):
            time.sleep(0.01)  # the other side's threads stop spinning
            of_run.append(run(count))
    return samples


def measure(case, threads, options, peak, folder):
    arguments, case_file = write_case(case, folder, threads, options.device)
    with Ours(options, arguments) as ours, Torch(case_file, threads, options.cache) as peer:
        tried = try_variants(peer)
        usable = {variant: t["ms"] for variant, t in tried.items() if "ms" in t}
        if not usable:
            raise PeerError(f"{case.title}: no variant of PyTorch agrees with cuelbo: {tried}")
        disagree = [variant for variant, t in tried.items() if "difference" in t and not agrees(t["difference"])]
        if disagree:
            raise PeerError(f"{case.title}: results differ: " + ", ".join(f"{v} {tried[v]['difference']}" for v in disagree))
        best = min(usable, key=usable.get)
        # The form with B×B×D tensors is timed beside the best one.
        variants = [best] + ([NAIVE] if NAIVE in usable and best != NAIVE else [])
        ours_samples, *others = take_turns(ours, peer, variants, options.pairs)
        floor = 1e3 * ours.about["flops"] / peak if peak else None
        milliseconds = statistics.median(s["ms"] for s in ours_samples)
        return {
            "kind": case.kind, "case": case.title, "threads": threads,
            "device": ours.about["device"], "torch": peer.about["torch"], "torch_cpu": peer.about["cpu_capability"],
            "cuelbo": {"ms": milliseconds, "cpu_ms": statistics.median(s["cpu_ms"] for s in ours_samples),
                       "gflop": ours.about["flops"] / 1e9, "floor_ms": floor, "share_of_floor": floor / milliseconds if floor else None},
            "peers": {v: summary(samples, ours_samples) for v, samples in zip(variants, others)},
            "best": best, "tried": tried,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="cuelbo_peer")
    parser.add_argument("--library-path", help="LD_LIBRARY_PATH of cuelbo_peer")
    parser.add_argument("--cache", required=True, help="folder for what torch.compile makes")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="the JSON file to write")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="for both sides; cuda: training alone")
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--minutes", type=float, default=9, help="after these no further case is begun")
    parser.add_argument("--only", default="", help="cases whose title contains this")
    options = parser.parse_args()

    start = time.monotonic()
    gpu = options.device == "cuda"
    threads_tried = [1] if gpu else options.threads
    peaks = {} if gpu else {threads: fma_peak(options.program, threads) for threads in threads_tried}
    results, left_out = [], []
    chosen = [case for case in (GPU_CASES if gpu else CASES) if options.only in f"{case.kind} {case.title}"]
    for case, threads in itertools.product(chosen, threads_tried):
        seconds = time.monotonic() - start
        if seconds > 60 * options.minutes:
            left_out.append(f"{case.kind} {case.title}, {threads} thread(s)")
            continue
        with tempfile.TemporaryDirectory() as folder:
            result = measure(case, threads, options, peaks.get(threads), pathlib.Path(folder))
        results.append(result)
        best = result["peers"][result["best"]]
        print(f"{seconds:4.0f} s  {case.kind} ({case.title}), {threads} thread(s): {result['cuelbo']['ms']:.3f} ms, "
              f"PyTorch {best['ms']:.3f} ms ({result['best']}), ratio {best['ratio']['median']:.2f}", flush=True)

    options.output.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": {"processor": processor(), "cpus": os.cpu_count(), "python": platform.python_version()},
               "pairs": options.pairs, "seconds": round(time.monotonic() - start),
               "fma_peak_gflops": {str(t): p / 1e9 for t, p in peaks.items()}, "left_out": left_out,
               "results": results}
    options.output.write_text(json.dumps(content, indent=1) + "\n")


def fma_peak(program, threads):
    command = [program, "fma_peak", str(threads)]
    outputs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(5)]
    return max(json.loads(output)["flops"] for output in outputs)


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    try:
        main()
    except PeerError as error:
        sys.exit(f"measure.py: {error}")
