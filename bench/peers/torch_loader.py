"""Shuffled batches of float images in PyTorch from bytes in memory, each batch gathered as a whole."""

import numpy as np
import torch
from safetensors.numpy import load_file
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

import peer_side


class Loader(peer_side.Work):
    def __init__(self, case):
        super().__init__()
        self.images = torch.from_numpy(np.load(case["data"]))
        self.unit, self.batch = case["unit"], case["batch"]
        self.first = load_file(case["result"]) if case["comparable"] else None

    def variants(self):
        yield "index_select"
        for workers in (0, 1, 2):
            yield f"DataLoader, {workers} workers"

    def to_float(self, images):
        images = images.float()
        return images.div_(self.unit) if self.unit != 1 else images

    def endless(self, variant):
        if variant == "index_select":
            while True:
                order = torch.randperm(len(self.images))
                for begin in range(0, len(order) - self.batch + 1, self.batch):
                    yield self.to_float(self.images.index_select(0, order[begin:begin + self.batch]))
        dataset = TensorDataset(self.images)
        sampler = BatchSampler(RandomSampler(dataset), self.batch, drop_last=True)
        workers = int(variant.split()[1])
        loader = DataLoader(dataset, batch_size=None, sampler=sampler, num_workers=workers,
                            persistent_workers=workers > 0)
        while True:
            for images, in loader:
                yield self.to_float(images)

    def make(self, variant):
        batches = self.endless(variant)
        return lambda: next(batches)

    def check(self, variant):
        self.call(variant)()
        if self.first is None:
            return {"images": 0.0}
        theirs = self.to_float(self.images[torch.from_numpy(self.first["items"])]).numpy()
        return {"images": peer_side.relative_error(self.first["images"], theirs)}
