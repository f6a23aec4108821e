#!/usr/bin/env python3
"""Compares two results files and says what changed beyond noise.

Usage: python3 bench/compare.py OLD.json NEW.json [--least PERCENT] [--fail-if-slower]

Files are those of `cuelbo kernels bench --json`, tools/gpu_check.sh, or Google Benchmark (--benchmark_format=json with
--benchmark_repetitions). Of times the medians are compared: they differ if their notches, median ± 1.57 · interquartile
range / √samples, do not meet (McGill, Tukey and Larsen 1978: 95 % of equal ones do), by at least PERCENT. What is counted
and not timed differs if it differs at all.
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
from dataclasses import dataclass


class BadFile(Exception):
    pass


@dataclass
class Timing:
    seconds: float
    first_quartile: float
    third_quartile: float
    samples: int

    @property
    def notch(self):
        return 1.57 * (self.third_quartile - self.first_quartile) / math.sqrt(self.samples)


def name_of(result):
    shape = ",".join(f"{key}={value}" for key, value in result["shape"].items())
    return f"{result['kernel']}/{result['variant']} {shape}"


def of_google_benchmark(benchmarks):
    seconds = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    runs = {}
    for run in benchmarks:
        if run.get("run_type", "iteration") == "iteration" and "error_occurred" not in run:
            runs.setdefault(run.get("run_name", run["name"]), []).append(run["real_time"] * seconds[run["time_unit"]])
    timings = {}
    for name, times in runs.items():
        if len(times) < 3:
            raise BadFile(f"{name} ran {len(times)} times, which tells nothing of noise; --benchmark_repetitions=10 does")
        first, median, third = statistics.quantiles(times, n=4, method="inclusive")
        timings[name] = Timing(median, first, third, len(times))
    return timings, {}


def of_kernels_bench(results):
    """Timings, and what was counted, by name."""
    timings, counts = {}, {}
    for result in results:
        if "error" in result:
            continue
        if "seconds" in result:
            timings[name_of(result)] = Timing(result["seconds"], *result["quartiles"], result["samples"])
        elif "counted" not in result:
            raise KeyError("seconds")
        for key, value in result.get("counted", {}).items():
            counts[f"{name_of(result)} {key}"] = value
    return timings, counts


def kernels_bench_of_gpu_check(stages):
    found = [stage for stage in stages if stage.get("stage") == "benchmark"]
    kernels = (found[0].get("result") or {}).get("kernels", {}) if found else {}
    return [result for kernel in kernels.values() for result in kernel.get("results", [])]


def read(path):
    try:
        file = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise BadFile(f"'{path}': {error}") from None
    try:
        if "benchmarks" in file:
            return of_google_benchmark(file["benchmarks"])
        if "stages" in file:
            return of_kernels_bench(kernels_bench_of_gpu_check(file["stages"]))
        return of_kernels_bench(file["results"])
    except BadFile as error:
        raise BadFile(f"'{path}': {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"'{path}' is no results file: {error!r}") from None


def differs(old, new, least):
    return (abs(new.seconds - old.seconds) > old.notch + new.notch
            and abs(new.seconds / old.seconds - 1) >= least / 100)


def time_text(seconds):
    return f"{1e6 * seconds:.2f} µs" if seconds < 1e-3 else f"{1e3 * seconds:.2f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--least", type=float, default=1, metavar="PERCENT", help="smaller differences are left out (%(default)s)")
    parser.add_argument("--fail-if-slower", action="store_true", help="exit code 1 if anything became slower")
    options = parser.parse_args()
    try:
        (old_times, old_counts), (new_times, new_counts) = read(options.old), read(options.new)
    except BadFile as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1

    timed = sorted(old_times.keys() & new_times.keys())
    changed = [name for name in timed if differs(old_times[name], new_times[name], options.least)]
    changed.sort(key=lambda name: new_times[name].seconds / old_times[name].seconds)
    slower = 0
    for name in changed:
        old, new = old_times[name], new_times[name]
        slower += new.seconds > old.seconds
        word = "slower" if new.seconds > old.seconds else "faster"
        ratio = max(new.seconds / old.seconds, old.seconds / new.seconds)
        print(f"{word} {ratio:5.2f}×  {name}  {time_text(old.seconds)} → {time_text(new.seconds)}")
    counted = sorted(old_counts.keys() & new_counts.keys())
    different = [name for name in counted if old_counts[name] != new_counts[name]]
    for name in different:
        print(f"counted  {name}  {old_counts[name]} → {new_counts[name]}")
    for text, olds, news in (("", old_times, new_times), (" counted", old_counts, new_counts)):
        for name in sorted(olds.keys() - news.keys()):
            print(f"only in the old file{text}: {name}")
        for name in sorted(news.keys() - olds.keys()):
            print(f"only in the new file{text}: {name}")
    print(f"{len(timed)} timed, {len(changed)} changed beyond noise, {slower} slower; "
          f"{len(counted)} counted, {len(different)} changed")
    return 1 if options.fail_if_slower and slower else 0


if __name__ == "__main__":
    sys.exit(main())
