"""Checks and measures the CUDA kernels and training on a device; gpu_check.sh calls it.

Each stage has a time budget, and one that fails does not end the others. Writes OUTPUT/DEVICE-DATE.json. The device simt
runs a part of the checks, or all with --full, and has no clock: every time in its file is null.
"""

import argparse
import datetime
import importlib.util
import json
import math
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

MAX_ELBO_DIFFERENCE = 1e-4  # relative, of each training step between the device and the CPU


class Failure(Exception):
    """The reason of a failure, and the report so far."""

    def __init__(self, reason, report=None):
        super().__init__(reason)
        self.report = report


class Skip(Exception):
    pass


class TimeUp(Exception):
    pass


class Check:
    def __init__(self, options):
        self.device, self.programs, self.peers = options.device, options.programs.resolve(), options.peers.resolve()
        self.simt = self.device == "simt"
        self.quick = self.simt and not options.full
        self.environment = dict(os.environ)
        libraries = [options.libraries.resolve()] if options.libraries else []
        paths = [str(p) for p in libraries + cuda_libraries()] + [os.environ.get("LD_LIBRARY_PATH", "")]
        self.environment["LD_LIBRARY_PATH"] = ":".join(p for p in paths if p)
        self.deadline = math.inf

    def left(self):
        return self.deadline - time.monotonic()

    def run(self, command, environment=None, fails_if_not_zero=True, **options):
        """Its standard output. Failure: its last line of standard error. TimeUp: the stage's time is over."""
        command = [str(part) for part in command]
        try:
            done = subprocess.run(command, env=environment or self.environment, text=True, capture_output=True,
                                  timeout=None if self.simt else max(1, self.left()), **options)
        except subprocess.TimeoutExpired:
            raise TimeUp from None
        if done.returncode != 0 and fails_if_not_zero:
            lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
            raise Failure(f"{pathlib.Path(command[0]).name}: {lines[-1]}")
        return done.stdout

    def cuelbo(self, *arguments, **options):
        return self.run([self.programs / "cuelbo", *arguments], **options)

    def version(self):
        self.deadline = time.monotonic() + 10
        try:
            return self.cuelbo("--version").strip()
        except (Failure, TimeUp):
            return None

    def build(self):
        """Commit, compiler and flags."""
        self.deadline = time.monotonic() + 10
        try:
            return json.loads(self.run([self.programs / "cuelbo_peer", "build"]))
        except (Failure, TimeUp, OSError, ValueError):
            return None

    # ---- stages: each returns what the file says of it

    def devices(self):
        """Describes the device."""
        name = self.device.split(":")[0]
        line = next(l for l in self.cuelbo("devices").splitlines() if l.split()[0] == name)
        if not re.match(r"\S+\s+usable", line):
            raise Failure(line)
        about = {"description": re.split(r"\s{2,}", line, maxsplit=2)[-1].removeprefix("usable").strip()}
        return about if self.simt else about | self.gpu()

    def gpu(self):
        """Name, driver and clocks from nvidia-smi."""
        fields = ["name", "driver_version", "compute_cap", "memory.total", "clocks.current.sm", "clocks.current.memory",
                  "clocks.max.sm", "clocks.max.memory", "power.limit", "temperature.gpu", "persistence_mode"]
        index = self.device.split(":")[1] if ":" in self.device else "0"
        if not shutil.which("nvidia-smi"):
            raise Failure("nvidia-smi is not here; it comes with the driver")
        values = self.run(["nvidia-smi", f"--id={index}", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"])
        return dict(zip(fields, (v.strip() for v in values.strip().split(","))))

    def kernels(self):
        """Every variant of every kernel against its double-precision reference."""
        report = {"checked": 0, "failed": 0, "not_executed": 0, "variants": []}
        calls = [["add"], ["softmax_forward"], ["linear_forward", "--shape", "rows=33,in=65,out=31"]] if self.quick else [[]]
        for call in calls:
            output = self.cuelbo("kernels", "check", *call, "--device", self.device, "--json", fails_if_not_zero=False)
            try:
                part = json.loads(output)
            except ValueError:
                raise Failure("kernels check ended early") from None
            for key in report:
                report[key] += part[key]
        if report["failed"] or not report["checked"]:
            raise Failure(f"{report['failed']} of {report['checked']} variants failed", report)
        return report

    def training(self, preset):
        """The same training on the device and on the CPU. Its steps are small: a gradient at one pixel that a rectifier lets
        through on one of them only may grow tenfold a step at the preset's learning rate (docs/decisions.md)."""
        steps = 5 if self.simt else 20
        extra = ["--set", "optimizer.adam.learning_rate=1e-4"]
        if preset == "hfvae-mnist":
            extra += ["--set", f"data.path={mnist_folder()}"]
        if self.quick:
            steps = 4
            extra += ["--set", "data.batch_size=16"]
        with tempfile.TemporaryDirectory() as folder:
            elbos = {}
            for device in (self.device, "cpu"):
                run = pathlib.Path(folder) / device.replace(":", "-")
                self.cuelbo("train", preset, "--output", run, "--device", device, "--steps", steps, "--set",
                            "training.log_every=1", "--set", "data.validation_fraction=0", *extra)
                records = map(json.loads, (run / "log.jsonl").read_text().splitlines())
                elbos[device] = {r["step"]: r["elbo"] for r in records if r["kind"] == "train"}
        ours, cpu = elbos[self.device], elbos["cpu"]
        if len(cpu) != steps or ours.keys() != cpu.keys():
            raise Failure(f"{len(ours)} and {len(cpu)} of {steps} steps were logged")
        differences = [abs(ours[step] - cpu[step]) / abs(cpu[step]) for step in cpu]
        worst = max(differences) if all(map(math.isfinite, differences)) else math.inf
        report = {"steps": steps, "largest_difference": worst, "allowed": MAX_ELBO_DIFFERENCE}
        if not worst <= MAX_ELBO_DIFFERENCE:
            raise Failure(f"the ELBO differs by {worst:.1e} from the CPU's, {MAX_ELBO_DIFFERENCE:.0e} is allowed", report)
        return report

    def each_kernel(self, seconds, work):
        """{kernel: work(kernel)} of as many kernels as the stage's time allows, and the names of the others."""
        done, not_done, end = {}, [], self.deadline
        for kernel in [k["kernel"] for k in json.loads(self.cuelbo("kernels", "list", "--json"))]:
            self.deadline = min(end, time.monotonic() + seconds)
            try:
                if end - time.monotonic() < 1:
                    raise TimeUp
                done[kernel] = work(kernel)
            except TimeUp:
                not_done.append(kernel)
        if not done:
            raise TimeUp
        return done, not_done

    def sanitizer(self, tool):
        """Kernels under compute-sanitizer."""
        self.needs_gpu()
        beside_nvcc = pathlib.Path("/usr/local/cuda/bin/compute-sanitizer")
        program = shutil.which("compute-sanitizer") or (beside_nvcc if beside_nvcc.exists() else None)
        if not program:
            raise Skip("compute-sanitizer is not here; it comes with the CUDA toolkit")

        def fault(kernel):
            try:
                self.run([program, "--tool", tool, "--error-exitcode", "1", self.programs / "cuelbo", "kernels", "check",
                          kernel, "--device", self.device])
            except Failure as failure:
                return str(failure)
            return None

        faults, not_done = self.each_kernel(10, fault)
        report = {"passed": [k for k, f in faults.items() if not f], "failed": {k: f for k, f in faults.items() if f},
                  "not_done": not_done}
        if report["failed"]:
            raise Failure(f"{tool} found something in {', '.join(report['failed'])}", report)
        return report

    def benchmark(self):
        """Time, bandwidth and throughput of every variant."""
        self.needs_gpu()

        def measure(kernel):
            try:
                output = self.cuelbo("kernels", "bench", kernel, "--device", self.device, "--json", fails_if_not_zero=False)
                return json.loads(output)
            except ValueError:
                return {"error": "it ended early"}

        measured, not_done = self.each_kernel(20, measure)
        report = {"kernels": measured, "not_done": not_done}
        failed = [kernel for kernel, m in measured.items() if "error" in m or any("error" in r for r in m["results"])]
        if failed:
            raise Failure(f"not measured: {', '.join(failed)}", report)
        return report

    def torch(self):
        """A training step against PyTorch, eager and compiled."""
        self.needs_gpu()
        test = "import torch, numpy, safetensors, sys; sys.exit(0 if torch.cuda.is_available() else 'no GPU for torch')"
        try:
            self.run([sys.executable, "-c", test], environment=os.environ)
        except Failure as failure:
            raise Skip(f"no PyTorch to compare with ({failure})") from None
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "peers.json"
            self.run([sys.executable, self.peers / "measure.py", "--device", "cuda", "--program",
                      self.programs / "cuelbo_peer", "--library-path", self.environment["LD_LIBRARY_PATH"], "--cache",
                      pathlib.Path(folder) / "cache", "--output", output, "--minutes", f"{self.left() / 60 - 1:.1f}"],
                     environment=os.environ)
            return json.loads(output.read_text())

    def needs_gpu(self):
        if self.simt:
            raise Skip("simt has no clock and no GPU's tools")


def cuda_libraries():
    """Folders with CUDA's libraries: of the toolkit and of Python's nvidia-* packages."""
    roots = [pathlib.Path(os.environ[name]) for name in ("CUDA_PATH", "CUDA_HOME") if os.environ.get(name)]
    folders = [root / "lib64" for root in [*roots, pathlib.Path("/usr/local/cuda")]]
    package = importlib.util.find_spec("nvidia")
    for location in package.submodule_search_locations if package else []:
        folders += sorted(pathlib.Path(location).glob("*/lib"))
    return [folder for folder in folders if folder.is_dir()]


def mnist_folder():
    beside = pathlib.Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    folder = pathlib.Path(os.environ.get("CUELBO_SHARED_DATA", beside)) / "mnist"
    if not any(folder.glob("train-images*")):
        raise Skip(f"MNIST is not here: CUELBO_SHARED_DATA/mnist is to hold its four files, not {folder}")
    return folder


def stages(check):
    """(name, seconds that it may take, what it does)."""
    return [
        ("device", 30, check.devices),
        ("kernels", 120, check.kernels),
        ("training hfvae-dsprites", 60, lambda: check.training("hfvae-dsprites")),
        ("training hfvae-mnist", 30, lambda: check.training("hfvae-mnist")),
        ("memcheck", 60, lambda: check.sanitizer("memcheck")),
        ("racecheck", 60, lambda: check.sanitizer("racecheck")),
        ("benchmark", 80, check.benchmark),
        ("torch", 140, check.torch),
    ]


def perform(check, name, seconds, work):
    start = time.monotonic()
    check.deadline = start + (math.inf if check.simt else seconds)
    result = {"stage": name}
    try:
        result |= {"status": "passed", "result": work()}
    except Skip as skip:
        result |= {"status": "skipped", "reason": str(skip)}
    except TimeUp:
        result |= {"status": "failed", "reason": f"not done after {seconds} s"}
    except Failure as failure:
        result |= {"status": "failed", "reason": str(failure)}
        if failure.report is not None:
            result["result"] = failure.report
    except Exception as error:  # the other stages go on
        result |= {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    result["seconds"] = None if check.simt else round(time.monotonic() - start, 1)
    print(f"{name}: {result['status']}" + (f" ({result['reason']})" if "reason" in result else ""), flush=True)
    return result


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def file_name(name, date):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + f"-{date}.json"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", required=True)
    parser.add_argument("--full", action="store_true", help="all checks on simt too")
    parser.add_argument("--programs", required=True, type=pathlib.Path, help="the folder with cuelbo and its modules")
    parser.add_argument("--libraries", type=pathlib.Path, help="a folder with libraries that they need")
    parser.add_argument("--peers", required=True, type=pathlib.Path, help="the folder with measure.py")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="the folder of the file to write")
    options = parser.parse_args()
    check = Check(options)

    results = [perform(check, *stage) for stage in stages(check)]
    device = results[0].pop("result", {})
    date = datetime.date.today().isoformat()
    content = {"device": {"kind": check.device, **device}, "date": date, "machine": platform.platform(), "cpu": processor(),
               "build": check.build(), "version": check.version(), "stages": results}
    path = options.output / file_name(device.get("name", check.device), date)
    write(path, content)
    failed = [r["stage"] for r in results if r["status"] == "failed"]
    print(f"{path}: " + (f"FAILED: {', '.join(failed)}" if failed else "all checks passed"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
