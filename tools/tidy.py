"""Runs clang-tidy on every source of a compilation database. A file that passed is checked again only when it, a header
that it includes, its compiler flags, clang-tidy or .clang-tidy changed. What passed is remembered in ~/.cache/cuelbo/tidy,
for all clones.

Usage: python3 tools/tidy.py BUILD_FOLDER
"""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLANG_TIDY = str(ROOT / "build" / "venv" / "bin" / "clang-tidy")  # of tools/setup.sh --dev; it leaves system headers out
# The database is that of g++. These options let clang read it as g++ does (options that it does not know, no implicit
# conversion between vectors, g++'s shuffle, here as the identity) and leave out warnings that g++ gives better.
EXTRA = [
    "--extra-arg=" + argument
    for argument in (
        "-Wno-unknown-warning-option",
        "-Wno-ignored-optimization-argument",
        "-Wno-unused-command-line-argument",
        "-flax-vector-conversions=none",
        "-D__builtin_shuffle(x,...)=(x)",
        "-Wno-c2y-extensions",
        "-Wno-deprecated-declarations",
        "-Wno-missing-designated-field-initializers",
        "-Wno-shadow",
        "-Wno-unused-parameter",
        "-Wno-unused-variable",
    )
]
DIAGNOSTIC = re.compile(r"^(?=\S+:\d+:\d+: (?:warning|error): )", re.MULTILINE)


# Options of the checked SIMT module that clang refuses.
GCC_ONLY = re.compile(r" (-fno-tree-sra|-fno-reorder-blocks|--param=\S+)")


def read_database(build):
    """One command per file: for a kernel, that of the last instruction set listed, which is the widest."""
    entries = json.loads((build / "compile_commands.json").read_text())
    for entry in entries:
        entry["command"] = GCC_ONLY.sub("", entry["command"])
    # The plain command, for a kernel that is compiled with and without instrumentation.
    entries.sort(key=lambda entry: "-fsanitize=thread" not in entry["command"])
    return {entry["file"]: entry for entry in entries}


@functools.cache
def hash_of(path):
    return hashlib.sha256(path.read_bytes()).digest()


def key_of(entry, salt):
    """Hash of all that the result depends on, wherever the clone is."""
    command = shlex.split(entry["command"])
    output = command.index("-o")
    flags = command[:output] + command[output + 2 :]
    rule = subprocess.run([*flags, "-M"], cwd=entry["directory"], capture_output=True, text=True, check=True).stdout
    files = rule.split(":", 1)[1].replace("\\\n", " ").split()
    digest = hashlib.sha256(salt)
    digest.update(" ".join(flags).replace(str(ROOT), "").encode())
    for name in files:
        digest.update(hash_of(pathlib.Path(entry["directory"], name).resolve()))
    return digest.hexdigest()


def check(entry, build, stamps, salt):
    """Returns (file, seconds, output), the output being None if the file passes, seconds None if it had passed before."""
    try:
        stamp = stamps / key_of(entry, salt)
    except subprocess.CalledProcessError as error:
        return entry["file"], 0.0, error.stderr
    if stamp.exists():
        return entry["file"], None, None
    start = time.monotonic()
    command = [CLANG_TIDY, "--quiet", "-p", str(build), *EXTRA, entry["file"]]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode == 0:
        stamp.touch()
    output = None if result.returncode == 0 else result.stdout + (result.stderr if not result.stdout else "")
    return entry["file"], time.monotonic() - start, output


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source_build = pathlib.Path(sys.argv[1]).resolve()
    build = ROOT / "build" / "tidy"
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    stamps = cache / "cuelbo" / "tidy"
    for folder in (build, stamps):
        folder.mkdir(parents=True, exist_ok=True)
    database = read_database(source_build)
    (build / "compile_commands.json").write_text(json.dumps(list(database.values())))
    version = subprocess.run([CLANG_TIDY, "--version"], capture_output=True, check=True).stdout
    salt = version + " ".join(EXTRA).encode() + (ROOT / ".clang-tidy").read_bytes()

    checked = reused = failed = 0
    printed = set()  # a header's diagnostics come with every file that includes it
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(check, entry, build, stamps, salt) for entry in database.values()]
        for job in concurrent.futures.as_completed(jobs):
            file, seconds, output = job.result()
            name = os.path.relpath(file, ROOT)
            if seconds is None:
                reused += 1
            else:
                checked += 1
                print(f"tidy: {name} {'passes' if output is None else 'FAILS'} ({seconds:.1f} s)", flush=True)
            if output is not None:
                failed += 1
                new = [part for part in DIAGNOSTIC.split(output) if part not in printed]
                printed.update(new)
                print("".join(new), end="", flush=True)
    print(f"tidy: {checked} files checked, {reused} unchanged, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
