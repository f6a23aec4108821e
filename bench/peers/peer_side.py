"""Shared by the frameworks' sides of a comparison.

    torch_peer.py CASE.json        (and so jax_peer.py, onnx_peer.py)

CASE is what cases.py writes. The first answer lists the variants: ways to do the same with the framework. Then every
line on standard input is a command and is answered by a line of JSON:

    {"check": VARIANT}               the differences from cuelbo's result
    {"run": VARIANT, "count": N}     the milliseconds that a call took, by the clock and of processor time
    {"calls": VARIANT, "count": N}   the microseconds of each call
"""

import json
import os
import re
import sys
import time
import tomllib

import numpy as np

MOST_BYTES = 3e9  # forms of the decomposition that keep more are left out


def read_case():
    with open(sys.argv[1]) as file:
        return json.load(file)


def read_config(path):
    with open(path, "rb") as file:
        return tomllib.load(file)


def use_processors(count):
    """The only reliable limit of threads for some frameworks; to be called before they are imported."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def relative_error(ours, theirs):
    """The relative error of a whole tensor; NaN counts as infinite."""
    ours, theirs = (np.asarray(x, np.float64).ravel() for x in (ours, theirs))
    error = np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-30)
    return float(error) if np.isfinite(error) else float("inf")


def training_difference(result, losses, gradients):
    """The difference of cuelbo's result from the losses of the first steps and (name, gradient) of step 0."""
    return {"loss": max(relative_error(ours, theirs) for ours, theirs in zip(result["losses"], losses, strict=True)),
            "gradient": max(relative_error(result[name], gradient) for name, gradient in gradients)}


def decomposition_difference(result, log_q, gradients):
    """`gradients` are those of z, mean and logvar."""
    named = zip(("z", "mean", "logvar"), gradients, strict=True)
    return {"log_q": relative_error(result["log_q"], log_q),
            "gradient": max(relative_error(result[f"gradient.{name}"], gradient) for name, gradient in named)}


def inference_output(result):
    """cuelbo's result as one array: mean and logvar side by side, or pictures."""
    return result["picture"] if "picture" in result else np.concatenate([result["mean"], result["logvar"]], 1)


def answer(value):
    print(json.dumps(value), flush=True)


def run(call, finish, count):
    start, cpu_start = time.perf_counter(), time.process_time()
    for _ in range(count):
        call()
    finish()
    scale = 1e3 / count
    return {"ms": scale * (time.perf_counter() - start), "cpu_ms": scale * (time.process_time() - cpu_start)}


def calls(call, count):
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - start) / 1e3)
    return {"us": times}


class Work:
    """The work of one kind of case: variants() names its implementations, make(variant) returns a call that runs it
    once, check(variant) compares with cuelbo's result."""

    def __init__(self):
        self.made = {}

    def call(self, variant):
        if variant not in self.made:
            self.made[variant] = self.make(variant)
        return self.made[variant]

    def finish(self):
        """Waits for what the calls have begun."""


def serve(work, case, about):
    if "first" in case:  # a variant whose first call is to be done before the first answer
        work.call(case["first"])()
        work.finish()
    answer({"variants": list(work.variants()), **about})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if "check" in command:
                answer(work.check(command["check"]))
            elif "run" in command:
                answer(run(work.call(command["run"]), work.finish, command["count"]))
            else:
                answer(calls(work.call(command["calls"]), command["count"]))
        except Exception as error:  # a variant that does not work here is left out, and the reason is reported
            first_line = f"{type(error).__name__}: {error}".splitlines()[0]
            answer({"error": re.sub(r"(/[\w.+-]+)+/", "", first_line)})  # folders are of this machine
