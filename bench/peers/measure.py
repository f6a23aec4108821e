"""Compares cuelbo with PyTorch, JAX and ONNX Runtime: the same weights, inputs and noise; results first, then time.

For each case and number of threads: all sides compute; results must agree; every way that a framework has is tried and
the fastest becomes the peer; then cuelbo and the peers take turns. Writes a JSON file. run.sh calls it.
"""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

from cases import BF16_CASES, CASES, GPU_CASES, LOADER_CASES, MLP, PRECISION
from fresh import measure_memory, measure_start
from options import parser
from process import Peak, PeerError
from turns import measure


def has_bf16(program):
    return subprocess.run([program, "accepts", MLP.path, PRECISION], capture_output=True, check=False).returncode == 0


def build_of(options):
    """Commit, compiler and flags of cuelbo_peer."""
    environment = os.environ | ({"LD_LIBRARY_PATH": options.library_path} if options.library_path else {})
    return json.loads(subprocess.run([options.program, "build"], env=environment, capture_output=True, check=True).stdout)


def tasks(options, peaks):
    """(kind and title, threads, what measures it in a folder)."""
    worth_trying = {}  # by case, once it has been measured with some number of threads

    def of_case(case, threads):
        def measure_in(folder):
            result, worth_trying[case] = measure(case, threads, options, peaks.get(threads), folder,
                                                 worth_trying.get(case))
            return result
        return f"{case.kind} {case.title}", threads, measure_in

    if options.device == "cuda":
        yield from (of_case(case, 1) for case in GPU_CASES)
        return
    most = max(options.threads)
    yield "start MLP, B = 256", most, lambda folder: measure_start(most, options, folder)
    yield "memory conv, B = 256", most, lambda folder: measure_memory(most, options, folder)
    yield from (of_case(case, most) for case in LOADER_CASES)
    for case in CASES + (BF16_CASES if has_bf16(options.program) else []):
        yield from (of_case(case, threads) for threads in options.threads)


def line_of(result):
    ours, best = result["cuelbo"], result["peers"][result["best"]]
    if "ms" not in ours:
        return f"{ours['peak_mib']:.0f} MiB, {result['best']} {best['peak_mib']:.0f} MiB"
    return f"{ours['ms']:.4g} ms, {result['best']} {best['ms']:.4g} ms, ratio {best['ratio']['median']:.2f}"


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())


def measure_all(options, peaks, start):
    """The results so far and the cases left out, after each case."""
    results, left_out = [], []
    for title, threads, measure_in in tasks(options, peaks):
        if options.only not in title:
            continue
        seconds = time.monotonic() - start
        if seconds > 60 * options.minutes:
            left_out.append(f"{title}, {threads} thread(s)")
            continue
        with tempfile.TemporaryDirectory() as folder:
            result = measure_in(pathlib.Path(folder))
        result["seconds"] = round(time.monotonic() - start - seconds, 1)
        results.append(result)
        print(f"{seconds:4.0f} s  {title}, {threads} thread(s): {line_of(result)}", flush=True)
        yield results, left_out
    yield results, left_out


def write(path, content):
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(path)


def main():
    options = parser(__doc__).parse_args()
    start = time.monotonic()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    machine = {"processor": processor(), "cpus": os.cpu_count(), "python": platform.python_version()}
    date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    with contextlib.ExitStack() as stack:
        peaks = {}
        if options.device == "cpu":
            peaks = {threads: stack.enter_context(Peak(options, threads)) for threads in options.threads}
        for results, left_out in measure_all(options, peaks, start):
            write(options.output, {"machine": machine, "date": date, "build": build_of(options), "pairs": options.pairs,
                                   "seconds": round(time.monotonic() - start), "left_out": left_out,
                                   "results": results})


if __name__ == "__main__":
    try:
        main()
    except PeerError as error:
        sys.exit(f"measure.py: {error}")
