"""What is compared: training steps and the decomposition alone, each with inputs that both sides read."""

import json
import pathlib
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
DATASET_SIZE = 60000  # as in cuelbo_peer.cpp


@dataclass(frozen=True)
class TrainingCase:
    name: str
    config: str
    image_size: int
    batch: int

    kind = "training"

    @property
    def title(self):
        return f"{self.name}, B = {self.batch}"

    def prepare(self, folder, threads, device):
        """Writes the inputs; returns cuelbo_peer's arguments and what torch_peer.py has to know."""
        images = np.random.default_rng(1).random((self.batch, self.image_size, self.image_size, 1), dtype=np.float32)
        save_file({"images": images}, folder / "images.safetensors")
        paths = [str(HERE / self.config), str(folder / "images.safetensors"), str(folder / "result.safetensors")]
        arguments = ["training", *paths, f"data.batch_size={self.batch}", f"threads={threads}",
                     f"device={device}"]
        return arguments, {"config": paths[0], "images": paths[1], "result": paths[2]}


@dataclass(frozen=True)
class DecompositionCase:
    batch: int
    dims: int
    group_size: int

    kind = "decomposition"

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


CASES = [
    TrainingCase("MLP", "mlp.toml", 28, 128),
    TrainingCase("MLP", "mlp.toml", 28, 256),
    TrainingCase("conv", "conv.toml", 64, 64),
    TrainingCase("conv", "conv.toml", 64, 256),
    DecompositionCase(64, 10, 2),
    DecompositionCase(256, 10, 2),
    DecompositionCase(1024, 10, 2),
    DecompositionCase(4096, 10, 2),
    DecompositionCase(1024, 64, 8),
]
GPU_CASES = [
    TrainingCase("MLP", "mlp.toml", 28, 256),
    TrainingCase("conv", "conv.toml", 64, 64),
    TrainingCase("conv", "conv.toml", 64, 256),
    TrainingCase("conv", "conv.toml", 64, 1024),
]


def write_case(case, folder, threads, device):
    """The arguments of cuelbo_peer, and the path of the file for torch_peer.py."""
    arguments, description = case.prepare(folder, threads, device)
    path = folder / "case.json"
    path.write_text(json.dumps({"kind": case.kind, "threads": threads, "device": device, "dataset_size": DATASET_SIZE,
                                **description}))
    return arguments, path
