"""Training steps in PyTorch. Variants: memory format, network eager or compiled, form of the marginals, Adam."""

import torch
from safetensors.numpy import load_file

import marginals
import peer_side
import philox
from torch_model import BATCH_FORMATS, Hfvae


class Training(peer_side.Work):
    def __init__(self, case):
        super().__init__()
        self.config = peer_side.read_config(case["config"])
        images = torch.from_numpy(load_file(case["images"])["images"])
        self.image_shape = images.shape[1:]
        self.device = torch.device(case["device"])
        self.images = images.permute(0, 3, 1, 2).to(self.device)
        self.result = load_file(case["result"])
        self.bf16 = case["precision"] == "bf16"
        self.log_weights = marginals.mixture_log_weights(len(images), case["dataset_size"]).to(self.device)

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
        if len(self.images) < 1024:
            yield "contiguous, eager, tiled, foreach"
        if self.bf16:
            yield "channels_last, eager, loop, fused, autocast"

    def make(self, variant):
        memory_format, mode, form, adam, *autocast = variant.split(", ")
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
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bool(autocast)):
                loss = loss_of(images, noise, form, self.log_weights)
            loss.backward()
            optimizer.step()
            return loss

        step.model, step.latents = model, latents
        return step

    def finish(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def check(self, variant):
        step = self.call(variant)
        losses, gradients = [], []
        for i in range(len(self.result["losses"])):
            noise = philox.normal((len(self.images), step.latents), self.config["seed"], i)
            losses.append(step(torch.from_numpy(noise).to(self.device)).item())
            if i == 0:
                gradients = [(name, g.contiguous().cpu().numpy().copy()) for name, g in step.model.gradients()]
        return peer_side.training_difference(self.result, losses, gradients)
