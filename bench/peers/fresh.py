"""The cost of a fresh process: the time until its first training step is done, and its peak memory."""

import json
import time

from cases import CONV, MLP, TrainingCase, write_case
from figures import compared, summary
from process import Ours, Peer

MEMORY_STEPS = 3
START = {"PyTorch": "contiguous, eager, tiled, fused", "JAX": "lax, pairs"}
MEMORY = {"PyTorch": "channels_last, eager, tiled, fused", "JAX": "patches, loop"}


class Sides:
    """Starts a side in a process that has done its first step when it answers."""

    def __init__(self, case, variants, threads, options, folder):
        training, case_file = write_case(case, folder, threads, "cpu")
        Ours(options, training).__exit__()  # writes the weights that the peers begin with
        config, images, _, _, *overrides = training[1:]
        self.options, self.threads, self.variants = options, threads, variants
        self.arguments = ["start", config, images, *overrides]
        self.files = {framework: self.write_first(case_file, framework, variant)
                      for framework, variant in variants.items()}

    @staticmethod
    def write_first(case_file, framework, variant):
        path = case_file.with_name(f"{framework}.json")
        path.write_text(json.dumps(json.loads(case_file.read_text()) | {"first": variant}))
        return path

    def ours(self):
        return Ours(self.options, self.arguments)

    def peer(self, framework):
        return Peer(framework, self.files[framework], self.threads, self.options.cache, tuned_memory=False)

    def name(self, framework):
        return f"{framework}: {self.variants[framework]}"


def seconds_to_first_step(start_side):
    start = time.perf_counter()
    with start_side():
        return {"ms": 1e3 * (time.perf_counter() - start)}


def measure_start(threads, options, folder, runs=7):
    sides = Sides(TrainingCase(MLP, 256), START, threads, options, folder)
    ours, peers = [], {framework: [] for framework in START}
    for _ in range(runs):
        ours.append(seconds_to_first_step(sides.ours))
        for framework, samples in peers.items():
            samples.append(seconds_to_first_step(lambda f=framework: sides.peer(f)))
    figures = {sides.name(framework): compared(samples, ours) for framework, samples in peers.items()}
    return {"kind": "start", "case": "MLP, B = 256", "threads": threads, "runs": runs, "cuelbo": summary(ours),
            "best": min(figures, key=lambda name: figures[name]["ms"]), "peers": figures}


def measure_memory(threads, options, folder):
    sides = Sides(TrainingCase(CONV, 256), MEMORY, threads, options, folder)
    with sides.ours() as ours:
        ours.time("run", MEMORY_STEPS - 1)
        figures = {"peak_mib": ours.peak_mib(), "arena_bytes": ours.about["arena_bytes"]}
    peers = {}
    for framework, variant in MEMORY.items():
        with sides.peer(framework) as peer:
            peer.time("run", variant, MEMORY_STEPS - 1)
            mib = peer.peak_mib()
            peers[sides.name(framework)] = {"peak_mib": mib, "ratio": mib / figures["peak_mib"]}
    return {"kind": "memory", "case": "conv, B = 256", "threads": threads, "cuelbo": figures,
            "best": min(peers, key=lambda name: peers[name]["peak_mib"]), "peers": peers}
