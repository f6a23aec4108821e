"""The fate of the mutants, in Markdown."""

import pathlib
from collections import Counter
from typing import Any

from mutation.sites import CLASSES, Mutant
from mutation.trial import Outcome

LEAST_KILLED = 0.95
WAYS = {
    "value": "a result off the double-precision reference",
    "unwritten": "a result that is not written, or made of memory that is not",
    "order": "other bits when threads run in another order",
    "sentinel": "a write beside a buffer or into an input",
    "finding": "reported by the runtime, as barrier divergence or a read of memory that is not the kernel's",
    "crash": "a signal",
    "timeout": "no end",
}
INTRODUCTION = """\
# Mutation testing of the kernels

How many faults does `cuelbo kernels check` catch? `python3 tools/mutate.py` changes one place in the device code at a time (an index,
a guard, a barrier, a mask, a constant, an operator), builds a device module with that mutant and lets `check` loose on it, on the
CPU. This page is its output (`--write docs/mutation.md`).

The sample is drawn by a seed: every barrier and mask that the kernels have, and at least one place of each other class in every
file. Mutants that do not compile or that give the same machine code are replaced. Files named `*_library.cu` have none: the CPU
does not execute library calls. A change in a header is tried on one `.cu` file that uses it after the other.
"""


class Report:
    def __init__(
        self, tried: list[tuple[Mutant, Outcome]], reasons: list[dict[str, Any]], sites: int, devices: list[str], commit: str = ""
    ) -> None:
        self.mutants = [(m, o) for m, o in tried if o.state in ("killed", "survived")]
        self.survivors = [m for m, o in self.mutants if o.state == "survived"]
        self.discarded = Counter(o.state for _, o in tried if o.state not in ("killed", "survived"))
        self.sites, self.devices = sites, devices
        self.commit = f"The kernels were those of commit {commit}." if commit else ""
        self.reasons = {(r["file"], r["before"], r["after"]): r["reason"] for r in reasons}
        self.unexplained = [m for m in self.survivors if not self.reason(m)]

    def reason(self, mutant: Mutant) -> str:
        return str(self.reasons.get((mutant.file, mutant.before, mutant.after), ""))

    @property
    def killed_share(self) -> float:
        return 1 - len(self.survivors) / len(self.mutants) if self.mutants else 0.0

    def summary(self) -> str:
        total, killed = len(self.mutants), len(self.mutants) - len(self.survivors)
        lines = [f"{killed} of {total} mutants killed ({100 * self.killed_share:.1f} %)"]
        lines += [f"not explained: {m.id} {m.file}:{m.line}\n  - {m.before}\n  + {m.after}" for m in self.unexplained]
        return "\n".join(lines)

    def table(self, first: str, rows: dict[str, list[Outcome]]) -> list[str]:
        """A line for each row: killed of all, and by what."""
        lines = [f"| {first} | killed | {' | '.join(WAYS)} |", "|---" * (2 + len(WAYS)) + "|"]
        for name, outcomes in rows.items():
            by = Counter(o.by for o in outcomes if o.state == "killed")
            counts = " | ".join(str(by[way] or "") for way in WAYS)
            lines.append(f"| {name} | {by.total()} of {len(outcomes)} | {counts} |")
        return lines

    def markdown(self) -> str:
        by_class = {kind: [o for m, o in self.mutants if m.kind == kind] for kind in CLASSES}
        folders = sorted({pathlib.PurePath(m.file).parent for m, _ in self.mutants})
        by_folder = {f"`{f}`": [o for m, o in self.mutants if pathlib.PurePath(m.file).parent == f] for f in folders}
        everything = {"**all**": [o for _, o in self.mutants]}
        discarded = ", ".join(f"{n} {state}" for state, n in sorted(self.discarded.items())) or "none"
        killed = len(self.mutants) - len(self.survivors)
        lines = [
            INTRODUCTION,
            f"**{killed} of {len(self.mutants)} mutants are killed ({100 * self.killed_share:.1f} %)**, of {self.sites} "
            f"possible ones, on {' and then '.join(self.devices)}. Replaced: {discarded}. {self.commit}".rstrip(),
            "",
            *self.table("class", {**by_class, **everything}),
            "",
            "Killed by: " + "; ".join(f"*{way}*, {meaning}" for way, meaning in WAYS.items()) + ".",
            "",
            *self.table("folder", by_folder),
            "",
            "## Survivors",
            "",
        ]
        for m in self.survivors:
            diff = f"```diff\n- {m.before}\n+ {m.after}\n```"
            lines += [f"`{m.file}` ({m.kind}): {self.reason(m) or 'not explained'}", "", diff, ""]
        if not self.survivors:
            lines.append("None.")
        return "\n".join(lines).rstrip() + "\n"
