#!/usr/bin/env python3
"""Compares two results files and says what changed beyond noise.

Usage: python3 bench/compare.py OLD.json NEW.json [--least PERCENT] [--fail-if-slower]

The files are the two that bench/interleave.py writes: runs of an old and a new program that took turns, so that the n-th
run of one file and the n-th of the other form a pair. Of each run, the median time of a row counts. A row changed if the
mean logarithm of its ratio over the pairs differs from 0 by Student's t-test, corrected for the number of rows (Holm: in
19 of 20 comparisons of a program with itself no row at all is called changed), and by at least PERCENT.

A file of one run is accepted as well: of `cuelbo kernels bench --json`, tools/gpu_check.sh or Google Benchmark
(--benchmark_format=json). Its times are shown and not judged, because the spread within a run says nothing of the spread
between runs. What is counted and not timed differs if it differs at all.
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
from dataclasses import dataclass

LEAST_PAIRS = 6
SIGNIFICANCE = 0.05  # of all rows together


class BadFile(Exception):
    pass


@dataclass
class Run:
    seconds: dict  # by row: the median
    counts: dict  # what was counted, by row and quantity


# ---- reading


def name_of(result):
    shape = ",".join(f"{key}={value}" for key, value in result["shape"].items())
    return f"{result['kernel']}/{result['variant']} {shape}"


def of_google_benchmark(benchmarks):
    seconds = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    repetitions = {}
    for run in benchmarks:
        if run.get("run_type", "iteration") == "iteration" and "error_occurred" not in run:
            repetitions.setdefault(run.get("run_name", run["name"]), []).append(run["real_time"] * seconds[run["time_unit"]])
    return Run({name: statistics.median(times) for name, times in repetitions.items()}, {})


def of_kernels_bench(results):
    run = Run({}, {})
    for result in results:
        if "error" in result:
            continue
        if "seconds" in result:
            run.seconds[name_of(result)] = result["seconds"]
        elif "counted" not in result:
            raise KeyError("seconds")
        for key, value in result.get("counted", {}).items():
            run.counts[f"{name_of(result)} {key}"] = value
    return run


def kernels_bench_of_gpu_check(stages):
    found = [stage for stage in stages if stage.get("stage") == "benchmark"]
    kernels = (found[0].get("result") or {}).get("kernels", {}) if found else {}
    return [result for kernel in kernels.values() for result in kernel.get("results", [])]


def of_run(content):
    if "benchmarks" in content:
        run = of_google_benchmark(content["benchmarks"])
    elif "stages" in content:
        run = of_kernels_bench(kernels_bench_of_gpu_check(content["stages"]))
    else:
        run = of_kernels_bench(content["results"])
    for name, seconds in run.seconds.items():
        if not (math.isfinite(seconds) and seconds > 0):
            raise ValueError(f"{name} took {seconds} s")
    return run


def read(path):
    """The runs of a file."""
    try:
        content = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise BadFile(f"'{path}': {error}") from None
    try:
        return [of_run(run) for run in content["runs"]] if "runs" in content else [of_run(content)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadFile(f"'{path}' is not a results file: {error!r}") from None


# ---- statistics


def two_sided_p(t, freedom):
    """The p-value of Student's t for a whole number of degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for n in range(2 + odd, freedom + 1, 2):
        total += term
        term *= square * (n - 1) / n
    inside = (angle + sine * total) * 2 / math.pi if odd else sine * total
    return max(0.0, 1 - inside)


def t_bound(freedom):
    """The bound that |t| stays below in 19 of 20 cases."""
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, freedom) > 0.05 else (low, middle)
    return high


@dataclass
class Ratio:
    """New over old, with its interval of 95 % confidence."""

    value: float
    low: float
    high: float
    p: float  # that a program compared with itself shows as much


def ratio_of(old, new):
    """The ratio of the times of pairs of runs."""
    logs = [math.log(b / a) for a, b in zip(old, new)]
    mean, error = statistics.fmean(logs), statistics.stdev(logs) / math.sqrt(len(logs))
    freedom = len(logs) - 1
    if error == 0:
        p = 1.0 if mean == 0 else 0.0
    else:
        p = two_sided_p(mean / error, freedom)
    reach = t_bound(freedom) * error
    return Ratio(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), p)


def judge(ratios, least):
    """The names of the rows that changed: Holm's procedure, then the least change that is wanted, in percent."""
    changed = []
    for place, name in enumerate(sorted(ratios, key=lambda name: ratios[name].p)):
        if ratios[name].p > SIGNIFICANCE / (len(ratios) - place):
            break
        if abs(ratios[name].value - 1) >= least / 100:
            changed.append(name)
    return sorted(changed, key=lambda name: ratios[name].value)


# ---- printing


def time_text(seconds):
    return f"{1e6 * seconds:.2f} µs" if seconds < 1e-3 else f"{1e3 * seconds:.2f} ms"


def present(runs, table):
    """Rows that every run has."""
    return set.intersection(*(set(table(run)) for run in runs))


def compare_times(old, new, options):
    """Prints what changed; returns the summary's words and how many rows became slower (None: not judged)."""
    names = sorted(present(old, lambda run: run.seconds) & present(new, lambda run: run.seconds))

    def column(runs, name):
        return [run.seconds[name] for run in runs]

    def medians(name):
        return " → ".join(time_text(statistics.median(column(runs, name))) for runs in (old, new))

    if len(old) < LEAST_PAIRS:
        for name in names:
            ratio = statistics.median(column(new, name)) / statistics.median(column(old, name))
            print(f"not judged {ratio:5.2f}×  {name}  {medians(name)}")
        return f"{len(names)} timed, none judged: {len(old)} pair(s) of runs, at least {LEAST_PAIRS} are needed", None
    ratios = {name: ratio_of(column(old, name), column(new, name)) for name in names}
    changed = judge(ratios, options.least)
    for name in changed:
        r = ratios[name]
        word, times, low, high = ("slower", r.value, r.low, r.high) if r.value > 1 else ("faster", 1 / r.value, 1 / r.high, 1 / r.low)
        print(f"{word} {times:5.2f}× ({low:.2f}–{high:.2f})  {name}  {medians(name)}")
    slower = sum(ratios[name].value > 1 for name in changed)
    return f"{len(names)} timed in {len(old)} pairs of runs, {len(changed)} changed beyond noise, {slower} slower", slower


def compare_counts(old, new):
    """Prints what changed; returns the summary's words."""
    names = sorted(present(old, lambda run: run.counts) & present(new, lambda run: run.counts))
    different = []
    for name in names:
        olds, news = ([run.counts[name] for run in runs] for runs in (old, new))
        if any(count != olds[0] for count in olds + news):
            different.append(name)
            print(f"counted  {name}  {olds[0]} → {next((n for n in news if n != olds[0]), news[0])}")
    return f"{len(names)} counted, {len(different)} changed"


def print_missing(old, new):
    for text, table in (("", lambda run: run.seconds), (" counted", lambda run: run.counts)):
        olds, news = ({name for run in runs for name in table(run)} for runs in (old, new))
        for name in sorted(olds - news):
            print(f"only in the old file{text}: {name}")
        for name in sorted(news - olds):
            print(f"only in the new file{text}: {name}")
        for name in sorted((olds & news) - (present(old, table) & present(new, table))):
            print(f"not in every run{text}: {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--least", type=float, default=1, metavar="PERCENT", help="smaller differences are left out (%(default)s)")
    parser.add_argument("--fail-if-slower", action="store_true", help="exit code 1 if anything became slower, or nothing could be judged")
    options = parser.parse_args()
    try:
        old, new = read(options.old), read(options.new)
        if not old or len(old) != len(new):
            raise BadFile(f"'{options.old}' has {len(old)} run(s), '{options.new}' {len(new)}: bench/interleave.py makes them in pairs")
    except BadFile as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1

    times, slower = compare_times(old, new, options)
    counts = compare_counts(old, new)
    print_missing(old, new)
    print(f"{times}; {counts}")
    return 1 if options.fail_if_slower and slower != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
