"""The cases of the comparison. Each case writes the inputs that all sides read."""

import json
import pathlib
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
DATASET_SIZE = 60000  # as in modes.hpp
FP32, BF16 = "fp32", "bf16"
PRECISION = 'precision="bf16"'  # what makes cuelbo compute in bf16


@dataclass(frozen=True)
class Model:
    name: str
    config: str
    image_size: int

    @property
    def path(self):
        return str(HERE / self.config)

    def images(self, batch):
        return np.random.default_rng(1).random((batch, self.image_size, self.image_size, 1), dtype=np.float32)


MLP = Model("MLP", "mlp.toml", 28)
CONV = Model("conv", "conv.toml", 64)


def overrides(case, threads, device="cpu"):
    return [f"threads={threads}", f"device={device}", *([PRECISION] if case.precision == BF16 else [])]


@dataclass(frozen=True)
class TrainingCase:
    model: Model
    batch: int
    precision: str = FP32

    kind, command, block_ms = "training", "run", 200
    frameworks = ("PyTorch", "JAX")

    @property
    def title(self):
        return f"{self.model.name}, B = {self.batch}" + (f", {BF16}" if self.precision == BF16 else "")

    @property
    def tolerance(self):
        """Relative: of every loss; of the norm of each parameter's gradient. Among the activations of 1024 images some
        are so close to 0 that rounding decides on their derivative: fp32 is 7e-4 from fp64 then, in any framework.
        With bf16 the first layers' gradients are 0.07 to 0.12 from fp32's, in PyTorch with autocast as in cuelbo."""
        if self.precision == BF16:
            return {"loss": 2e-2, "gradient": 0.2}
        return {"loss": 1e-5, "gradient": 1e-4 if self.batch < 1024 else 2e-3}

    def prepare(self, folder, threads, device):
        """Writes the inputs; returns cuelbo_peer's arguments and what the other sides have to know."""
        save_file({"images": self.model.images(self.batch)}, folder / "images.safetensors")
        paths = [self.model.path, str(folder / "images.safetensors"), str(folder / "result.safetensors")]
        checked_steps = 5 if self.batch < 1024 else 2
        arguments = ["training", *paths, str(checked_steps), f"data.batch_size={self.batch}",
                     *overrides(self, threads, device)]
        return arguments, {"config": paths[0], "images": paths[1], "result": paths[2], "precision": self.precision}


@dataclass(frozen=True)
class DecompositionCase:
    batch: int
    dims: int
    group_size: int

    kind, command, block_ms = "decomposition", "run", 60
    frameworks = ("PyTorch", "JAX")
    precision = FP32
    tolerance = {"log_q": 1e-5, "gradient": 1e-4}  # of the norms

    @property
    def title(self):
        return f"{self.batch}, {self.dims}, {self.group_size}"

    def prepare(self, folder, threads, device):
        random = np.random.default_rng(1)
        groups = self.dims // self.group_size
        mean = random.standard_normal((self.batch, self.dims))
        logvar = -1.5 + 0.5 * random.standard_normal((self.batch, self.dims))
        z = mean + np.exp(0.5 * logvar) * random.standard_normal((self.batch, self.dims))
        weight = random.standard_normal((self.batch, 1 + groups + self.dims)) / self.batch
        codes = {"z": z, "mean": mean, "logvar": logvar, "weight": weight}
        save_file({name: x.astype(np.float32) for name, x in codes.items()}, folder / "codes.safetensors")
        tree = ",".join(f"{g * self.group_size}-{(g + 1) * self.group_size - 1}" for g in range(groups))
        paths = [str(folder / "codes.safetensors"), str(folder / "result.safetensors")]
        return ["decomposition", tree, *paths, str(threads)], {"codes": paths[0], "result": paths[1], "groups": groups}


@dataclass(frozen=True)
class LatencyCase:
    model: Model
    direction: str  # encode or decode
    batch: int
    precision: str = FP32

    kind, command, block_ms = "latency", "calls", 150
    frameworks = ("PyTorch", "ONNX Runtime", "JAX")

    @property
    def title(self):
        return f"{self.model.name} {self.direction}, batch {self.batch}" + (
            f", {BF16}" if self.precision == BF16 else "")

    @property
    def tolerance(self):
        return {"output": 1e-5 if self.precision == FP32 else 2e-2}  # of the norm

    def prepare(self, folder, threads, device):
        codes = np.random.default_rng(2).standard_normal((self.batch, 10), dtype=np.float32)
        save_file({"images": self.model.images(self.batch), "codes": codes}, folder / "inputs.safetensors")
        paths = [self.model.path, str(folder / "inputs.safetensors"), str(folder / "result.safetensors")]
        return [self.direction, *paths, *overrides(self, threads)], {
            "config": paths[0], "inputs": paths[1], "result": paths[2], "direction": self.direction}


@dataclass(frozen=True)
class LoaderCase:
    dataset: str
    shape: tuple  # of the array that the peer, and without on-the-fly rendering cuelbo, has in memory
    unit: int  # what its bytes are divided by

    kind, command, block_ms = "loader", "run", 400  # long beside the three batches that are ready when it begins
    frameworks = ("PyTorch",)
    precision = FP32
    tolerance = {"images": 1e-6}
    batch = 256

    @property
    def title(self):
        return self.dataset

    def prepare(self, folder, threads, device):
        data = np.random.default_rng(3).integers(0, self.unit + 1, self.shape, dtype=np.uint8)
        np.save(folder / "data.npy", data)
        rendered = self.dataset == "dSprites"
        source = ["dsprites", ""] if rendered else ["npy", str(folder / "data.npy")]
        result = str(folder / "result.safetensors")
        return ["loader", *source, result, str(self.batch)], {
            "data": str(folder / "data.npy"), "unit": self.unit, "batch": self.batch, "result": result,
            "comparable": not rendered}


CASES = [
    TrainingCase(MLP, 256),
    *(TrainingCase(CONV, batch) for batch in (64, 256, 1024)),
    *(DecompositionCase(*sizes) for sizes in ((64, 10, 2), (256, 10, 2), (1024, 10, 2), (4096, 10, 2), (1024, 64, 8),
                                              (4096, 64, 8))),
    *(LatencyCase(model, direction, batch)
      for model in (MLP, CONV) for direction in ("encode", "decode") for batch in (1, 64)),
]
BF16_CASES = [
    TrainingCase(MLP, 256, BF16),
    TrainingCase(CONV, 256, BF16),
    *(LatencyCase(model, "encode", batch, BF16) for model in (MLP, CONV) for batch in (1, 64)),
]
# They use all processors. The peer has 20000 images of dSprites' size: all would be 3 GB.
LOADER_CASES = [LoaderCase("MNIST-like", (60000, 28, 28), 255), LoaderCase("dSprites", (20000, 64, 64), 1)]
GPU_CASES = [TrainingCase(MLP, 256), *(TrainingCase(CONV, batch) for batch in (64, 256, 1024))]


def write_case(case, folder, threads, device):
    """The arguments of cuelbo_peer, and the path of the file for the other sides."""
    arguments, description = case.prepare(folder, threads, device)
    path = folder / "case.json"
    path.write_text(json.dumps({"kind": case.kind, "threads": threads, "device": device, "dataset_size": DATASET_SIZE,
                                **description}))
    return arguments, path
