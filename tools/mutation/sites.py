"""The places of device code that can be mutated, and their mutations."""

import hashlib
import pathlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

CLASSES = ("index", "guard", "barrier", "mask", "constant", "operator")

NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|^[ \t]*#(?:\\\n|[^\n])*', re.DOTALL | re.MULTILINE)
DEVICE = re.compile(r"\b__(?:device|global)__\b")
# The array of a declaration, whose size is not an index.
DECLARED = re.compile(
    r"\b(?:float|double|int|unsigned|T|DensityBlock|(?:Pack|float)[<\d][^;()]*)\s+\w+(?:\[[^\[\]]*\])*$"
)
EXTENT = (
    r"(?:[\w.:]+(?:::|\.))?(?:columns|rows|channels|classes|pixels|dims|pitch|stride|width|size|depth|count|tile|n)\b"
)


@dataclass(frozen=True)
class Mutant:
    file: str  # from the root
    line: int
    kind: str
    start: int
    end: int
    text: str  # what replaces [start, end)
    before: str  # the line, without its indentation
    after: str
    id: str

    def apply(self, source: str) -> str:
        return source[: self.start] + self.text + source[self.end :]


def code_of(source: str) -> str:
    """The source with comments, strings and preprocessor lines as blanks."""
    return NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), source)


def closing(code: str, opening: int) -> int:
    """The bracket that closes the one at `opening`."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    depth = 0
    for i in range(opening, len(code)):
        depth += (code[i] == code[opening]) - (code[i] == pairs[code[opening]])
        if depth == 0:
            return i
    raise ValueError("unbalanced brackets")


def device_bodies(code: str) -> Iterator[tuple[int, int]]:
    """The bodies of __global__ and __device__ functions, without their braces."""
    at = 0
    while match := DEVICE.search(code, at):
        at = match.end()
        while code[at] not in "{;":
            at = closing(code, at) + 1 if code[at] == "(" else at + 1
        if code[at] == "{":
            begin, at = at + 1, closing(code, at)
            yield begin, at


def other_number(text: str) -> Iterator[str]:
    if "." in text or text.endswith(("F", "f")):
        yield "1.0F" if float(text.rstrip("Ff")) == 0 else f"(-{text})"
    elif re.fullmatch(r"\d+", text):
        yield str(int(text) + 1)
        if text != "0":
            yield str(int(text) - 1)


def replacements(code: str, begin: int, end: int) -> Iterator[tuple[str, int, int, str]]:
    """Every (class, start, end, text) of a body."""

    def matches(pattern: str) -> Iterator[re.Match[str]]:
        return re.compile(pattern).finditer(code, begin, end)

    for m in matches(r"\[(?=[^\]&=])"):
        if not DECLARED.search(code[max(begin, m.start() - 120) : m.start()]):
            last = closing(code, m.start())
            yield "index", last, last, " + 1"
    for m in matches(r"\b(threadIdx|blockIdx|blockDim|gridDim)\.([xy])"):
        yield "index", m.start(), m.end(), f"{m[1]}.{'y' if m[2] == 'x' else 'x'}"
    for m in matches(rf"(?<= \* ){EXTENT}(?![(\[])"):
        for change in ("+ 1", "- 1"):
            yield "index", m.start(), m.end(), f"({m[0]} {change})"

    swapped = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&"}
    for m in matches(r"(?<= )(?:<=?|>=?|==|!=|&&|\|\|)(?= )"):
        yield "guard", m.start(), m.end(), swapped[m[0]]
    for m in matches(r"\bif (?=\()"):
        last = closing(code, m.end())
        leaves = re.match(r"\s*(?:return|continue|break)\b", code[last + 1 :])
        yield "guard", m.end() + 1, last, "false" if leaves else "true"

    for m in matches(r"(?:ptx::)?\b(?:__syncthreads|__syncwarp|cp_async_wait<[^>]*>|cp_async_commit)\([^()]*\)"):
        yield "barrier", m.start(), m.end(), ""

    for m in matches(r"~0U|0xffffffffU?"):
        yield "mask", m.start(), m.end(), "0xffffU"
    for m in matches(r"\b__shfl\w*_sync(?=\()"):
        last = closing(code, m.end())
        distance = code.rindex(", ", m.end(), last) + 2
        for factor in ("* 2", "/ 2"):
            yield "mask", distance, last, f"{code[distance:last]} {factor}"
    for m in matches(r"(?<=[/%&] )(?:32|31)\b"):
        yield "mask", m.start(), m.end(), {"32": "16", "31": "15"}[m[0]]
    for m in matches(r"\b(?:warp_)?lanes(?:_across|_down)?\b(?! =|\()"):
        yield "mask", m.start(), m.end(), f"({m[0]} / 2)"

    for m in matches(r"(?<![\w.])(?:\d+\.\d*|\d+)(?:e-?\d+)?[FfU]?(?![\w.])"):
        for text in other_number(m[0]):
            yield "constant", m.start(), m.end(), text

    opposite = {"+": "-", "-": "+", "*": "+", "/": "*", "+=": "-=", "-=": "+=", "*=": "+=", "/=": "*="}
    for m in matches(r"(?<= )[-+*/]=?(?= )"):
        if code[m.end() + 1 :].startswith("const ") or code[: m.start()].endswith("const "):
            continue  # a pointer's star
        yield "operator", m.start(), m.end(), opposite[m[0]]


def line_with(source: str, position: int) -> str:
    begin = source.rfind("\n", 0, position) + 1
    return source[begin : source.find("\n", position)].strip()


def mutants_of(file: str, source: str) -> list[Mutant]:
    """In the order of the text. An id depends on a mutant's own line and the number of equal ones above it only."""
    code = code_of(source)
    found: list[tuple[str, int, int, str]] = []
    for begin, end in device_bodies(code):
        found += replacements(code, begin, end)
    mutants = []
    seen: Counter[tuple[str, str]] = Counter()
    for kind, start, end, text in sorted(set(found), key=lambda site: site[1:]):
        before = line_with(source, start)
        changed = source[:start] + text + source[end:]
        after = line_with(changed, start)
        seen[before, after] += 1
        identity = f"{file}\n{before}\n{after}\n{seen[before, after]}"
        number = hashlib.sha256(identity.encode()).hexdigest()[:8]
        mutants.append(Mutant(file, source.count("\n", 0, start) + 1, kind, start, end, text, before, after, number))
    return mutants


def mutated_files(root: pathlib.Path) -> list[str]:
    """Those that hold device code of our own; library variants are not executed on the CPU."""
    files = [path for pattern in ("*.cu", "*.cuh") for path in (root / "kernels").rglob(pattern)]
    return sorted(str(path.relative_to(root)) for path in files if not path.stem.endswith("_library"))


def sample(mutants: list[Mutant], seed: int) -> list[Mutant]:
    """In the order in which they are tried: barriers and masks, which are few; of each file and class one by lot; a
    second of each; …"""
    lots = sorted(mutants, key=lambda m: hashlib.sha256(f"{seed} {m.id}".encode()).hexdigest())
    rounds: Counter[tuple[str, str]] = Counter()
    ranked = []
    for mutant in lots:
        rounds[mutant.file, mutant.kind] += 1
        ranked.append((0 if mutant.kind in ("barrier", "mask") else rounds[mutant.file, mutant.kind], mutant))
    ranked.sort(key=lambda pair: pair[0])
    return [mutant for _, mutant in ranked]
