"""The models of the configurations in this folder, in PyTorch, with the weights that cuelbo_peer wrote.

Images are (B, C, H, W). Where images become features and back, the features are in the order (H, W, C), as cuelbo has
them; in the channels_last format neither direction copies.
"""

import torch
from torch import nn

BATCH_FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


class ToFeatures(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class ToImage(nn.Module):
    def __init__(self, shape, memory_format):
        super().__init__()
        self.shape, self.memory_format = shape, memory_format

    def forward(self, x):
        return x.view(-1, *self.shape).permute(0, 3, 1, 2).contiguous(memory_format=self.memory_format)


def padding(layer):
    return max(0, (layer["kernel"] - layer["stride"] + 1) // 2)


def hidden_layers(layers, is_image, channels, memory_format):
    """Modules of the hidden layers, and the output's channels or features."""
    modules = []
    for layer in layers:
        if "linear" in layer:
            if is_image:
                modules.append(ToFeatures())
                is_image = False
            modules += [nn.LazyLinear(layer["linear"]), nn.ReLU()]
            channels = layer["linear"]
            if "reshape" in layer:
                modules.append(ToImage(layer["reshape"], memory_format))
                is_image, channels = True, layer["reshape"][2]
        else:
            kind, make = ("conv", nn.Conv2d) if "conv" in layer else ("conv_transpose", nn.ConvTranspose2d)
            modules += [make(channels, layer[kind], layer["kernel"], layer["stride"], padding(layer)), nn.ReLU()]
            channels = layer[kind]
    return modules, is_image, channels


class Hfvae(nn.Module):
    def __init__(self, config, image_shape, memory_format):
        super().__init__()
        height, width, channels = image_shape
        self.groups = len(config["latent"])
        dims = sum(latent["gaussian"] for latent in config["latent"])
        objective = config["objective"]
        self.mutual_information = objective["mutual_information"]
        self.dimension_kl = objective["dimension_kl"]
        between, within = objective["between_group_tc"], objective["within_group_tc"]
        block_weights = torch.tensor([between - self.mutual_information] + [within - between] * self.groups +
                                     [self.dimension_kl - within] * dims)
        self.register_buffer("block_weights", block_weights, persistent=False)

        modules, is_image, _ = hidden_layers(config["encoder"]["layers"], True, channels, memory_format)
        self.encoder = nn.Sequential(*modules, *([ToFeatures()] if is_image else []), nn.LazyLinear(2 * dims))
        modules, is_image, last = hidden_layers(config["decoder"]["layers"], False, dims, memory_format)
        if is_image:
            layer = config["decoder"]["layers"][-1]
            modules.append(nn.ConvTranspose2d(last, channels, layer["kernel"], layer["stride"], padding(layer)))
        else:
            modules += [nn.LazyLinear(height * width * channels), ToImage(image_shape, memory_format)]
        self.decoder = nn.Sequential(*modules)
        with torch.no_grad():  # gives the lazy layers their shapes
            self.decoder(self.encoder(torch.zeros(2, channels, height, width))[:, :dims])

    def loss(self, images, noise, marginals, log_weights):
        mean, logvar = self.encoder(images).chunk(2, 1)
        z = mean + torch.exp(0.5 * logvar) * noise
        logits = self.decoder(z)
        batch = images.shape[0]
        log_likelihood = -nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum") / batch
        # The constants −½ log 2π of log q(z|x) and log p(z) do not cancel: their coefficients differ.
        log_2pi = 1.8378770664093453
        log_q_given_x = -0.5 * (noise**2 + logvar + log_2pi).sum() / batch
        log_prior = -0.5 * (z**2 + log_2pi).sum() / batch
        log_q = marginals(z, mean, logvar, self.groups, log_weights).mean(0)
        penalty = (self.mutual_information * log_q_given_x + log_q @ self.block_weights - self.dimension_kl * log_prior)
        return penalty - log_likelihood

    def named_layers(self):
        """(name that cuelbo uses, module) of every layer with weights, in order."""
        for network, last in ((self.encoder, "latent"), (self.decoder, "output")):
            prefix = "encoder" if network is self.encoder else "decoder"
            layers = [m for m in network if hasattr(m, "weight")]
            for i, module in enumerate(layers):
                yield f"{prefix}.{last if i == len(layers) - 1 else i}", module

    def load(self, values):
        for name, module in self.named_layers():
            weight = torch.from_numpy(values[f"value.{name}.weight"])
            module.weight.data.copy_(weight.permute(0, 3, 1, 2) if weight.dim() == 4 else weight)
            module.bias.data.copy_(torch.from_numpy(values[f"value.{name}.bias"]))

    def gradients(self):
        """By cuelbo's names, in its layout."""
        for name, module in self.named_layers():
            weight = module.weight.grad
            yield f"gradient.{name}.weight", weight.permute(0, 2, 3, 1) if weight.dim() == 4 else weight
            yield f"gradient.{name}.bias", module.bias.grad
