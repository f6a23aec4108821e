"""The sides of a comparison, each a process that answers every line with a line of JSON."""

import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
SCRIPTS = {"PyTorch": "torch_peer.py", "JAX": "jax_peer.py", "ONNX Runtime": "onnx_peer.py"}


class PeerError(Exception):
    pass


class Process:
    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.about = self.read()
        except PeerError:
            self.__exit__()
            raise

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            reason = self.process.communicate()[1].strip()[-2000:]
            raise PeerError(f"{' '.join(map(str, self.process.args[:2]))} ended: {reason}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def sample(self, line):
        answer = self.ask(line)
        if "us" in answer:
            answer["ms"] = statistics.median(answer["us"]) / 1e3
        return answer

    def peak_mib(self):
        """The most memory that the process has had so far."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class Ours(Process):
    """cuelbo_peer with these arguments."""

    def __init__(self, options, arguments):
        path = {"LD_LIBRARY_PATH": options.library_path} if options.library_path else {}
        super().__init__([options.program, *arguments], os.environ | path)

    def time(self, command, count):
        return self.sample(f"{command} {count}")


class Peak(Ours):
    """The FMA units, with so many threads and nothing else to do."""

    def __init__(self, options, threads):
        super().__init__(options, ["fma_peak", str(threads)])
        self.time("run", 1)  # its threads start
        self.call_ms = self.time("run", 1)["ms"]

    def flops(self, milliseconds):
        """Operations per second, over about so many milliseconds."""
        return 1e3 * self.about["flops"] / self.time("run", max(1, round(milliseconds / self.call_ms)))["ms"]


class Peer(Process):
    """A framework. `tuned_memory`: freed memory stays, on huge pages; page faults would cost up to half of its time."""

    def __init__(self, framework, case_file, threads, cache, tuned_memory=True):
        self.framework = framework
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
        if tuned_memory:
            environment["GLIBC_TUNABLES"] = ("glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=17179869184"
                                             ":glibc.malloc.trim_threshold=17179869184")
        environment |= {"OMP_NUM_THREADS": str(threads), "TORCHINDUCTOR_CACHE_DIR": str(cache),
                        "TORCHINDUCTOR_COMPILE_THREADS": "2",
                        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"}
        super().__init__([sys.executable, str(HERE / SCRIPTS[framework]), str(case_file)], environment)

    def time(self, command, variant, count):
        return self.sample(json.dumps({command: variant, "count": count}))

    def check(self, variant):
        return self.ask(json.dumps({"check": variant}))
