"""The ELBO decomposition alone in PyTorch. Variants: forms of the marginals."""

import torch
from safetensors.numpy import load_file

import marginals
import peer_side


class Decomposition(peer_side.Work):
    def __init__(self, case):
        super().__init__()
        codes = load_file(case["codes"])
        self.leaves = [torch.from_numpy(codes[name]).requires_grad_() for name in ("z", "mean", "logvar")]
        self.weight = torch.from_numpy(codes["weight"])
        self.groups = case["groups"]
        self.result = load_file(case["result"])
        batch, dims = self.leaves[0].shape
        self.pair_bytes = 4 * batch * batch * dims
        self.log_weights = marginals.mixture_log_weights(batch, case["dataset_size"])

    def variants(self):
        yield "tiled"
        if 4 * self.pair_bytes < peer_side.MOST_BYTES:
            yield "compiled pairs"
        if 8 * self.pair_bytes < peer_side.MOST_BYTES:
            yield from ("loop", "pairs")
        if self.pair_bytes < 2**22:  # where it is not slower than "tiled"; it takes long to compile
            yield "compiled loop"

    def make(self, variant):
        form = marginals.form(variant)

        def step():
            for leaf in self.leaves:
                leaf.grad = None
            log_q = form(*self.leaves, self.groups, self.log_weights)
            log_q.backward(self.weight)
            return log_q

        return step

    def check(self, variant):
        log_q = self.call(variant)().detach().numpy()
        return peer_side.decomposition_difference(self.result, log_q, [leaf.grad.numpy() for leaf in self.leaves])
