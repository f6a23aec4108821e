"""Mutation testing of the CUDA kernels, without a GPU: changes one place in the device code at a time, and counts the
mutants that `cuelbo kernels check` finds. Results are kept in BUILD/../mutation and reused while nothing changed.
Fails if fewer than 95 % are found, or if one that is not has no explanation in tools/mutation/survivors.toml.

Usage: python3 tools/mutate.py [--write docs/mutation.md]
"""

import argparse
import concurrent.futures
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
import tomllib
from typing import Any

from mutation.report import LEAST_KILLED, Report
from mutation.sites import Mutant, mutants_of, mutated_files, sample
from mutation.trial import Module, Outcome

ROOT = pathlib.Path(__file__).resolve().parent.parent
SURVIVORS = ROOT / "tools" / "mutation" / "survivors.toml"


class Results:
    """One JSON line an outcome, appended as it comes."""

    def __init__(self, file: pathlib.Path) -> None:
        self.file = file
        self.known: dict[tuple[str, str], Outcome] = {}
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            for line in file.read_text().splitlines():
                record = json.loads(line)
                self.known[record["id"], record["key"]] = Outcome(**record["outcome"])

    def add(self, mutant: Mutant, key: str, outcome: Outcome) -> None:
        self.known[mutant.id, key] = outcome
        record = {"id": mutant.id, "key": key, "file": mutant.file, "after": mutant.after}
        with self.file.open("a") as stream:
            stream.write(json.dumps({**record, "outcome": dataclasses.asdict(outcome)}) + "\n")


def try_mutants(
    mutants: list[Mutant], count: int, jobs: int, modules: list[Module], results: Results
) -> list[tuple[Mutant, Outcome]]:
    """Goes on until `count` are mutants: what does not compile or is the same program is replaced by the next."""
    tried: list[tuple[Mutant, Outcome]] = []

    def attempt(mutant: Mutant) -> Outcome:
        start = time.monotonic()
        outcome = Outcome("survived")
        for module in modules:
            key = module.key(mutant)
            if (mutant.id, key) not in results.known:
                results.add(mutant, key, module.run(mutant))
            outcome = results.known[mutant.id, key]
            if outcome.state != "survived":
                break
        by = f" by {outcome.by}: {outcome.message}" if outcome.state == "killed" else ""
        where = f"{mutant.id} {mutant.kind:<8} {mutant.file}:{mutant.line}"
        print(f"{where}  {outcome.state}{by}  ({time.monotonic() - start:.1f} s)", flush=True)
        return outcome

    rest = iter(mutants)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        while missing := count - sum(outcome.state in ("killed", "survived") for _, outcome in tried):
            batch = [mutant for mutant, _ in zip(rest, range(missing), strict=False)]
            if not batch:
                break
            tried += zip(batch, pool.map(attempt, batch), strict=True)
    return tried


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", metavar="FOLDER")
    parser.add_argument("--devices", default="simt,simt-checked", help="tried one after the other (%(default)s)")
    parser.add_argument("--count", type=int, default=200, help="of mutants (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (%(default)s)")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="these mutants instead of a sample")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the sample and stop")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE", help="the report, in Markdown")
    return parser.parse_args()


def run(options: argparse.Namespace) -> int:
    every = [m for file in mutated_files(ROOT) for m in mutants_of(file, (ROOT / file).read_text())]
    mutants = [m for m in every if m.id in options.only] if options.only else sample(every, options.seed)
    if options.list:
        for m in mutants[: options.count]:
            print(f"{m.id} {m.kind:<8} {m.file}:{m.line}\n    - {m.before}\n    + {m.after}")
        return 0
    build = options.build.resolve()
    devices = options.devices.split(",")
    modules = [f"cuelbo_{device.replace('-', '_')}_module" for device in devices]
    subprocess.run(["cmake", "--build", build, "--target", "cuelbo", *modules], check=True)
    results = Results(build.parent / "mutation" / "results.jsonl")
    tried = try_mutants(mutants, options.count, options.jobs, [Module(ROOT, build, d) for d in devices], results)
    reasons: list[dict[str, Any]] = tomllib.loads(SURVIVORS.read_text()).get("survivor", [])
    git = subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    report = Report(tried, reasons, len(every), devices, git.stdout.strip())
    if options.write:
        options.write.write_text(report.markdown())
    print(report.summary())
    return 0 if report.killed_share >= LEAST_KILLED and not report.unexplained else 1


if __name__ == "__main__":
    try:
        sys.exit(run(arguments()))
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"mutate: {error}")
