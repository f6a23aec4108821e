#!/usr/bin/env python3
"""Runs two programs in turn, for bench/compare.py. Figures differ between runs of the same program, because of the
neighbours on the machine, its clock and the placement of memory, so a comparison needs several runs of each, side by side.

Usage: python3 bench/interleave.py OLD NEW --output FOLDER [--pairs N] [-- ARGUMENT…]

OLD and NEW are two builds of cuelbo_bench, or of cuelbo (arguments: kernels bench KERNEL --json …); the same program twice
shows the noise. Writes FOLDER/old.json and FOLDER/new.json.
"""

import argparse
import json
import pathlib
import subprocess
import sys


def run(program, arguments):
    """The output of one run of a program, which has to be JSON."""
    command = [str(program), *arguments]
    if program.name == "cuelbo_bench":
        command.append("--benchmark_format=json")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        sys.exit(f"interleave: {error}")
    if done.returncode != 0:
        lines = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
        sys.exit(f"interleave: {program}: {lines[-1]}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        sys.exit(f"interleave: {program} did not print JSON; `cuelbo kernels bench` does with --json")


def write(path, runs):
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps({"runs": runs}, indent=1) + "\n")
    beside.replace(path)


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path, help="the folder of the two files")
    parser.add_argument("--pairs", type=positive, default=10, help="runs of each program (%(default)s)")
    own, arguments = sys.argv[1:], []
    if "--" in own:
        own, arguments = own[: own.index("--")], own[own.index("--") + 1 :]
    options = parser.parse_args(own)

    programs = {"old": options.old.resolve(), "new": options.new.resolve()}
    runs = {"old": [], "new": []}
    for pair in range(options.pairs):
        # Running first may be an advantage, so the order alternates between pairs.
        for side in ("old", "new") if pair % 2 == 0 else ("new", "old"):
            runs[side].append(run(programs[side], arguments))
        print(f"pair {pair + 1} of {options.pairs}", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    for side, results in runs.items():
        write(options.output / f"{side}.json", results)
    print(f"python3 bench/compare.py {options.output / 'old.json'} {options.output / 'new.json'}")


if __name__ == "__main__":
    main()
