"""Tries a mutant: compiles what it is part of, links a device module from that and the objects of the build, and lets
`cuelbo kernels check` find it. The source tree stays as it is."""

import functools
import hashlib
import json
import math
import os
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import tempfile
from dataclasses import dataclass

from mutation.sites import Mutant

WALL_SECONDS = 1200  # a check may wait for ever without computing, or on a busy machine


def cpu_limit(original_seconds: float) -> int:
    return 10 + 5 * math.ceil(original_seconds)


# An object tells whether a mutant is the same program if it has neither debug information nor the overlay's path.
DROPPED = re.compile(r"-(?:g.*|W.*|M.*)")

FINDERS = (
    ("value", re.compile(r"\[\d+\] is .*, the reference |its noise is ")),
    ("unwritten", re.compile(r"\] is not written")),
    ("order", re.compile(r"other bits when ")),
    ("sentinel", re.compile(r"^(?:writes|changes) ")),
)


@dataclass
class Outcome:
    state: str  # killed, survived; does not compile, same code: no mutant
    by: str = ""  # what killed it
    variant: str = ""
    message: str = ""


def by_of(message: str) -> str:
    return next((name for name, pattern in FINDERS if pattern.search(message)), "finding")


class Unit:
    """A .cu file in a device module."""

    def __init__(
        self,
        root: pathlib.Path,
        build: pathlib.Path,
        object_file: str,
        entry: dict[str, str],
        listed: dict[str, list[str]],
    ) -> None:
        self.root, self.build, self.object, self.listed = root, build, object_file, listed
        self.source = object_file.partition("/generated/")[2].partition("/")[2].removesuffix(".cpp.o") + ".cu"
        flags = shlex.split(entry["command"])
        output = flags.index("-o")
        kept = [flag for flag in flags[1:output] if not DROPPED.fullmatch(flag)]
        self.command = [flags[0], *kept, "-w", "-c", entry["file"]]

    @functools.cached_property
    def dependencies(self) -> list[str]:
        """Files of the project, from the root."""
        listed = subprocess.run(
            ["ninja", "-t", "deps", self.object], cwd=self.build, capture_output=True, text=True, check=True
        ).stdout
        paths = [(self.build / line.strip()).resolve() for line in listed.splitlines()[1:]]
        inside = [path for path in paths if path.is_relative_to(self.root) and not path.is_relative_to(self.build)]
        return sorted(str(path.relative_to(self.root)) for path in inside)

    @functools.cached_property
    def variants(self) -> list[str]:
        """Those that may be made of the file: of the kernels whose ladder it ends with, or else of those of the files
        beside it, without variants that the ladder makes of functions of other files alone."""
        ladder = re.compile(r"^Variants<\w+> (\w+)_variants\(\) (\{.*?\}$)", re.MULTILINE | re.DOTALL)
        rung = re.compile(r'\{\s*"(\w+)",.*?\{([^{}]*)\}', re.DOTALL)
        functions = re.compile(r"^[\w:]+ (\w+)\(", re.MULTILINE)
        own = (self.root / self.source).read_text()
        files = sorted((self.root / self.source).parent.glob("*.cu"))
        beside = "\n".join(file.read_text() for file in files if file.name != pathlib.Path(self.source).name)
        here, elsewhere = set(functions.findall(own)), set(functions.findall(beside))
        kernels = dict(ladder.findall(own) or ladder.findall(beside))
        others = {
            f"{kernel}/{name}"
            for kernel, text in kernels.items()
            for name, used in rung.findall(text)
            if (names := set(re.findall(r"\w+", used))) & elsewhere and not names & here
        }
        every = [variant for kernel in kernels for variant in self.listed.get(kernel, ())]
        return [variant for variant in every if variant not in others] or every

    def compile(self, output: pathlib.Path, overlay: pathlib.Path) -> bool:
        include = [f"-I{overlay}", f"-fmacro-prefix-map={overlay}/=", f"-fmacro-prefix-map={self.root}/="]
        command = [self.command[0], *include, *self.command[1:], "-o", str(output)]
        return subprocess.run(command, cwd=self.build, capture_output=True, check=False).returncode == 0

    @functools.cached_property
    def original(self) -> bytes:
        with tempfile.TemporaryDirectory() as scratch:
            output = pathlib.Path(scratch, "original.o")
            if not self.compile(output, pathlib.Path(scratch)):
                raise RuntimeError(f"{self.source} does not compile")
            return output.read_bytes()


class Module:
    """A device module of the build, libcuelbo_<device>.so."""

    def __init__(self, root: pathlib.Path, build: pathlib.Path, device: str) -> None:
        self.root, self.build, self.device = root, build, device
        self.program = str(build / "bin" / "cuelbo")
        self.name = f"libcuelbo_{device.replace('-', '_')}.so"
        self.link = [word for word in shlex.split(self.link_command()) if word not in (":", "&&")]
        database = json.loads((build / "compile_commands.json").read_text())
        entries = {shlex.split(entry["command"])[-3]: entry for entry in database}  # … -o OBJECT -c FILE
        printed = subprocess.run([self.program, "kernels", "list", "--json"], capture_output=True, check=True).stdout
        listed = {
            kernel["kernel"]: [f"{kernel['kernel']}/{v['name']}" for v in kernel["variants"] if not v["library"]]
            for kernel in json.loads(printed)
        }
        units = [Unit(root, build, word, entries[word], listed) for word in self.link if "/generated/" in word]
        self.units = sorted(units, key=lambda unit: (root / unit.source).stat().st_size)
        self.seconds: dict[str, float] = {}  # that checking an original variant takes
        self.hashes: dict[frozenset[pathlib.Path], str] = {}

    def link_command(self) -> str:
        target = ["ninja", "-t", "commands", f"bin/{self.name}"]
        commands = subprocess.run(target, cwd=self.build, capture_output=True, text=True, check=True).stdout
        return commands.splitlines()[-1]

    def users(self, file: str) -> list[Unit]:
        """The smallest first."""
        return [unit for unit in self.units if file in unit.dependencies]

    def key(self, mutant: Mutant) -> str:
        """Hash of all that an outcome depends on but the compiler, and the device."""
        files = {self.root / name for unit in self.users(mutant.file) for name in unit.dependencies}
        for folder in ("tools/lab", "kernels/runtime/simt"):
            files |= set((self.root / folder).rglob("*.[ch]pp"))
        files.add(pathlib.Path(__file__))
        if (hashed := frozenset(files)) not in self.hashes:
            text = b"".join(file.read_bytes() for file in sorted(files))
            self.hashes[hashed] = hashlib.sha256(text).hexdigest()[:16]
        return f"{self.device} {self.hashes[hashed]}"

    def run(self, mutant: Mutant) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="cuelbo-mutant-") as scratch:
            overlay = pathlib.Path(scratch)
            file = overlay / mutant.file
            file.parent.mkdir(parents=True)
            file.write_text(mutant.apply((self.root / mutant.file).read_text()))
            outcome = Outcome("same code")
            for unit in self.users(mutant.file):
                compiled = overlay / "mutant.o"
                if not unit.compile(compiled, overlay):
                    return Outcome("does not compile")
                if compiled.read_bytes() == unit.original:
                    continue
                variants = self.verified(unit)
                self.link_with(unit, compiled, overlay)
                for variant in variants:
                    outcome = self.check(variant, overlay, cpu_limit(self.seconds[variant]))
                    if outcome.state == "killed":
                        return outcome
                outcome = Outcome("survived")
            return outcome

    def link_with(self, unit: Unit, mutated: pathlib.Path, folder: pathlib.Path) -> None:
        """The linker keeps the first of several copies of an inline function: the runtime's, then the mutant's."""
        words = list(self.link)
        words[words.index("-o") + 1] = str(folder / self.name)
        words.insert(next(i for i, word in enumerate(words) if "/generated/" in word), str(mutated))
        words.remove(unit.object)
        subprocess.run(words, cwd=self.build, check=True)

    def verified(self, unit: Unit) -> list[str]:
        """The variants that the unit may be part of, the quickest first. Only what passes can tell a mutant."""
        variants = unit.variants
        with tempfile.TemporaryDirectory(prefix="cuelbo-mutant-") as scratch:
            original = pathlib.Path(scratch, "original.o")
            for variant in variants:
                if variant in self.seconds:
                    continue
                if not original.exists():
                    original.write_bytes(unit.original)
                    self.link_with(unit, original, original.parent)
                before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
                outcome = self.check(variant, original.parent, WALL_SECONDS)
                if outcome.state == "killed":
                    raise RuntimeError(f"the original {variant} fails on {self.device}: {outcome.message}")
                self.seconds[variant] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        return sorted(variants, key=lambda variant: self.seconds[variant])

    def check(self, variant: str, folder: pathlib.Path, cpu_seconds: int) -> Outcome:
        command = ["kernels", "check", variant, "--device", self.device, "--threads", "1", "--json"]
        process = subprocess.Popen(
            ["prlimit", f"--cpu={cpu_seconds}", "--core=0", self.program, *command],
            env={**os.environ, "CUELBO_MODULE_PATH": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            printed, complaint = process.communicate(timeout=WALL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        if process.returncode == 0:
            return Outcome("survived")
        killed = functools.partial(Outcome, "killed", variant=variant)
        if process.returncode in (-signal.SIGKILL, -signal.SIGXCPU):
            return killed(by="timeout", message=f"{cpu_seconds} s of computing or {WALL_SECONDS} s of waiting")
        if process.returncode < 0:
            return killed(by="crash", message=signal.Signals(-process.returncode).name)
        if not printed:
            raise RuntimeError(f"kernels check {variant} --device {self.device}: {complaint.strip()}")
        fault = json.loads(printed)["variants"][0]["faults"][0]["fault"]
        return killed(by=by_of(fault), message=fault)
