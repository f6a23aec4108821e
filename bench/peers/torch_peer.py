"""PyTorch's side of a comparison, in a process of its own.

    torch_peer.py CASE.json

CASE has `kind` (training or decomposition), `threads`, `device` (cpu or, of training, cuda), `result` (the file that cuelbo_peer wrote), `dataset_size`, and
`config` and `images`, or `codes` and `groups`. The first answer lists the variants: ways to do the same with PyTorch.
Then every line on standard input is a command and is answered by a line of JSON:

    {"check": VARIANT}               the differences from cuelbo's result: loss, gradient
    {"run": VARIANT, "steps": N}     the milliseconds that a step took, by the clock and of processor time
"""

import json
import os
import sys
import time
import tomllib
import warnings

import numpy as np
import torch
from safetensors.numpy import load_file

import marginals
import philox
from torch_model import Hfvae

BATCH_FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


def relative_error(ours, theirs):
    """Of whole tensors; NaN counts as infinite."""
    error = np.linalg.norm((ours - theirs).ravel()) / max(np.linalg.norm(theirs.ravel()), 1e-30)
    return float(error) if np.isfinite(error) else float("inf")


class Training:
    """Variants: memory format, network eager or compiled, form of the marginals, Adam's implementation."""

    def __init__(self, case):
        with open(case["config"], "rb") as file:
            self.config = tomllib.load(file)
        images = torch.from_numpy(load_file(case["images"])["images"])
        self.image_shape = images.shape[1:]
        self.device = torch.device(case["device"])
        self.images = images.permute(0, 3, 1, 2).to(self.device)
        self.result = load_file(case["result"])
        self.log_weights = marginals.mixture_log_weights(len(images), case["dataset_size"]).to(self.device)
        self.made = {}

    def variants(self):
        if self.device.type == "cuda":
            for memory_format in ("channels_last", "contiguous"):
                for network in ("graphs, loop", "compiled, loop", "eager, loop", "eager, pairs"):
                    yield f"{memory_format}, {network}, fused"
            return
        if any("conv" in layer for layer in self.config["encoder"]["layers"]):
            yield "channels_last, eager, tiled, fused"
            yield "channels_last, compiled, loop, fused"
        else:
            yield "contiguous, compiled, loop, fused"
        yield "contiguous, eager, tiled, fused"
        yield "contiguous, eager, tiled, foreach"

    def make(self, variant):
        memory_format, mode, form, adam = variant.split(", ")
        memory_format = BATCH_FORMATS[memory_format]
        torch.manual_seed(1)
        model = Hfvae(self.config, self.image_shape, memory_format)
        model.load(self.result)
        model = model.to(device=self.device, memory_format=memory_format)
        images = self.images.contiguous(memory_format=memory_format)
        learning_rate = self.config["optimizer"]["adam"]["learning_rate"]
        optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, **{adam: True})
        loss_of = model.loss
        if mode != "eager":  # "graphs": with CUDA graphs
            loss_of = torch.compile(loss_of, dynamic=False, mode="reduce-overhead" if mode == "graphs" else "default")
        form = marginals.form(form)
        latents = len(model.block_weights) - 1 - model.groups

        def step(noise=None):
            if noise is None:
                noise = torch.randn(len(images), latents, device=self.device)
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(images, noise, form, self.log_weights)
            loss.backward()
            optimizer.step()
            return loss

        step.model, step.latents = model, latents
        return step

    def step(self, variant):
        if variant not in self.made:
            self.made[variant] = self.make(variant)
        return self.made[variant]

    def check(self, variant):
        step = self.step(variant)
        losses, gradient = [], {}
        for i in range(len(self.result["losses"])):
            noise = philox.normal((len(self.images), step.latents), self.config["seed"], i)
            losses.append(step(torch.from_numpy(noise).to(self.device)).item())
            if i == 0:
                gradient = {name: g.contiguous().cpu().numpy().copy() for name, g in step.model.gradients()}
        ours = self.result["losses"]
        return {"loss": float(np.max(np.abs(ours - losses) / np.abs(losses))) if np.all(np.isfinite(ours)) else float("inf"),
                "gradient": max(relative_error(self.result[name], g) for name, g in gradient.items())}


class Decomposition:
    """Variants: forms of the marginals."""

    def __init__(self, case):
        codes = load_file(case["codes"])
        self.leaves = [torch.from_numpy(codes[name]).requires_grad_() for name in ("z", "mean", "logvar")]
        self.weight = torch.from_numpy(codes["weight"])
        self.groups = case["groups"]
        self.result = load_file(case["result"])
        batch, self.dims = self.leaves[0].shape
        self.pair_bytes = 4 * batch * batch * self.dims
        self.log_weights = marginals.mixture_log_weights(batch, case["dataset_size"])
        self.made = {}

    def variants(self):
        """Forms that keep all pairs are left out where one (B, B, D) tensor takes more than 512 MB."""
        yield "tiled"
        if self.pair_bytes < 2**29:
            yield from ("pairs", "loop", "compiled pairs")
        if self.pair_bytes < 2**22:  # where it is not slower than "tiled"; it takes long to compile
            yield "compiled loop"

    def step(self, variant):
        if variant not in self.made:
            form = marginals.form(variant)

            def step():
                for leaf in self.leaves:
                    leaf.grad = None
                log_q = form(*self.leaves, self.groups, self.log_weights)
                log_q.backward(self.weight)
                return log_q

            self.made[variant] = step
        return self.made[variant]

    def check(self, variant):
        log_q = self.step(variant)().detach().numpy()
        ours = self.result["log_q"]
        return {"loss": relative_error(ours, log_q),
                "gradient": max(relative_error(self.result[f"gradient.{name}"], leaf.grad.numpy())
                                for name, leaf in zip(("z", "mean", "logvar"), self.leaves))}


def main():
    warnings.filterwarnings("ignore")
    with open(sys.argv[1]) as file:
        case = json.load(file)
    torch.set_num_threads(case["threads"])
    torch.set_num_interop_threads(1)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # both sides compute in fp32
    work = Training(case) if case["kind"] == "training" else Decomposition(case)

    def answer(value):
        print(json.dumps(value), flush=True)

    answer({"variants": list(work.variants()), "torch": torch.__version__,
            "cpu_capability": torch.backends.cpu.get_cpu_capability()})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if "check" in command:
                answer(work.check(command["check"]))
            else:
                step = work.step(command["run"])
                start, cpu_start = time.perf_counter(), time.process_time()
                for _ in range(command["steps"]):
                    step()
                if case["device"] == "cuda":
                    torch.cuda.synchronize()
                milliseconds = 1e3 / command["steps"]
                answer({"ms": milliseconds * (time.perf_counter() - start),
                        "cpu_ms": milliseconds * (time.process_time() - cpu_start)})
        except Exception as error:  # a variant that does not work here is left out, and the reason is reported
            answer({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "2")
    main()
