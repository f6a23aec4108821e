"""Encoding and decoding in PyTorch, from and to host memory. Variants: memory format, how the network is run."""

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import nn

import peer_side
from torch_model import BATCH_FORMATS, Hfvae


class Encode(nn.Module):
    """Images (B, H, W, C) to mean and logvar side by side."""

    def __init__(self, model, memory_format):
        super().__init__()
        self.network, self.memory_format = model.encoder, memory_format

    def forward(self, images):
        return self.network(images.permute(0, 3, 1, 2).contiguous(memory_format=self.memory_format))


class Decode(nn.Module):
    """Codes to probabilities (B, 1, H, W), whose memory layout is that of (B, H, W, 1)."""

    def __init__(self, model):
        super().__init__()
        self.network = model.decoder

    def forward(self, codes):
        return torch.sigmoid(self.network(codes))


def load_network(case, memory_format):
    """The network and its input, as cuelbo_peer had them."""
    inputs, result = load_file(case["inputs"]), load_file(case["result"])
    model = Hfvae(peer_side.read_config(case["config"]), inputs["images"].shape[1:], memory_format)
    model.load(result)
    model = model.to(memory_format=memory_format).eval().requires_grad_(False)
    encode = case["direction"] == "encode"
    network = Encode(model, memory_format) if encode else Decode(model)
    return network, inputs["images" if encode else "codes"], peer_side.inference_output(result)


class Inference(peer_side.Work):
    def __init__(self, case):
        super().__init__()
        self.case = case
        self.is_conv = any("conv" in layer for layer in peer_side.read_config(case["config"])["encoder"]["layers"])

    def variants(self):
        yield from ("contiguous, jit", "contiguous, eager")
        if self.is_conv:
            yield from ("channels_last, jit", "channels_last, eager", "channels_last, compiled")
        else:
            yield "contiguous, compiled"

    def make(self, variant):
        memory_format, mode = variant.split(", ")
        network, values, self.expected = load_network(self.case, BATCH_FORMATS[memory_format])
        if mode == "jit":
            with torch.inference_mode():
                network = torch.jit.trace(network, torch.from_numpy(values))
                network = torch.jit.optimize_for_inference(torch.jit.freeze(network.eval()))
        elif mode == "compiled":
            network = torch.compile(network, dynamic=False)

        def call():
            with torch.inference_mode():
                return network(torch.from_numpy(values)).numpy()

        for _ in range(5):  # until torch.jit has specialised it
            call()
        return call

    def check(self, variant):
        output = self.call(variant)()
        return {"output": peer_side.relative_error(self.expected, np.ascontiguousarray(output))}
