"""The models of the configurations in this folder, in JAX, with the weights that cuelbo_peer wrote.

Images are (B, H, W, C). A convolution is lax.conv_general_dilated ("lax"), or a matrix product with the 4×4 patches of
a stride of 2 ("patches"), whose gradients XLA computes faster on a CPU.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def conv_lax(x, weight):
    return lax.conv_general_dilated(x, weight, (2, 2), ((1, 1), (1, 1)), dimension_numbers=DIMENSIONS)


def conv_transpose_lax(x, weight):
    return lax.conv_general_dilated(x, weight[::-1, ::-1], (1, 1), ((2, 2), (2, 2)), lhs_dilation=(2, 2),
                                    dimension_numbers=DIMENSIONS)


def conv_patches(x, weight):
    batch, height, width, channels = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    cells = x.reshape(batch, height // 2 + 1, 2, width // 2 + 1, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    cells = cells.reshape(batch, height // 2 + 1, width // 2 + 1, 4 * channels)
    patches = jnp.concatenate([cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:]], 3)
    weight = weight.reshape(2, 2, 2, 2, channels, -1).transpose(0, 2, 1, 3, 4, 5).reshape(16 * channels, -1)
    return (patches.reshape(-1, 16 * channels) @ weight).reshape(batch, height // 2, width // 2, -1)


def conv_transpose_patches(x, weight):
    """Every 2×2 cell of the output, shifted by one, comes from 2×2 pixels of the input."""
    batch, height, width, channels = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = jnp.concatenate([x[:, :-1, :-1], x[:, :-1, 1:], x[:, 1:, :-1], x[:, 1:, 1:]], 3)
    weight = weight[::-1, ::-1].reshape(2, 2, 2, 2, channels, -1)[:, ::-1, :, ::-1]
    weight = weight.transpose(0, 2, 4, 1, 3, 5).reshape(4 * channels, -1)
    cells = (patches.reshape(-1, 4 * channels) @ weight).reshape(batch, height + 1, width + 1, 2, 2, -1)
    pixels = cells.transpose(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height + 2, 2 * width + 2, -1)
    return pixels[:, 1:-1, 1:-1]


CONVOLUTIONS = {"lax": (conv_lax, conv_transpose_lax), "patches": (conv_patches, conv_transpose_patches)}


class Hfvae:
    def __init__(self, config, image_shape, convolution="lax"):
        self.image_shape = image_shape
        self.groups = len(config["latent"])
        self.dims = sum(latent["gaussian"] for latent in config["latent"])
        self.objective = objective = config["objective"]
        between, within = objective["between_group_tc"], objective["within_group_tc"]
        self.block_weights = np.array([between - objective["mutual_information"]] + [within - between] * self.groups +
                                      [objective["dimension_kl"] - within] * self.dims, np.float32)
        self.networks = {"encoder": config["encoder"]["layers"] + [{"linear": 2 * self.dims}],
                         "decoder": config["decoder"]["layers"] + [self.output_layer(config)]}
        self.conv, self.conv_transpose = CONVOLUTIONS[convolution]

    def output_layer(self, config):
        last = config["decoder"]["layers"][-1]
        height, width, channels = self.image_shape
        if "conv_transpose" in last:
            return last | {"conv_transpose": channels}
        return {"linear": height * width * channels, "reshape": self.image_shape}

    def named_layers(self):
        for network, last in (("encoder", "latent"), ("decoder", "output")):
            layers = self.networks[network]
            for i, layer in enumerate(layers):
                yield f"{network}.{last if i == len(layers) - 1 else i}", layer

    def load(self, values):
        """{name: (weight, bias)}: matrices (in, out), convolutions (height, width, in, out)."""
        return {name: (np.ascontiguousarray(self.from_cuelbo(layer, values[f"value.{name}.weight"])),
                       values[f"value.{name}.bias"]) for name, layer in self.named_layers()}

    @staticmethod
    def from_cuelbo(layer, weight):
        return weight.T if "linear" in layer else weight.transpose(
            (1, 2, 3, 0) if "conv" in layer else (1, 2, 0, 3))

    @staticmethod
    def to_cuelbo(layer, weight):
        return weight.T if "linear" in layer else weight.transpose((3, 0, 1, 2) if "conv" in layer else (2, 0, 1, 3))

    def by_cuelbos_names(self, prefix, parameters):
        for name, layer in self.named_layers():
            weight, bias = parameters[name]
            yield f"{prefix}.{name}.weight", self.to_cuelbo(layer, np.asarray(weight))
            yield f"{prefix}.{name}.bias", np.asarray(bias)

    def apply(self, network, parameters, x):
        layers = [(name, layer) for name, layer in self.named_layers() if name.startswith(network)]
        for name, layer in layers:
            weight, bias = parameters[name]
            if "linear" in layer:
                x = x.reshape(len(x), -1) @ weight + bias
            else:
                x = (self.conv if "conv" in layer else self.conv_transpose)(x, weight) + bias
            if name != layers[-1][0]:
                x = jax.nn.relu(x)
            if "reshape" in layer:
                x = x.reshape(-1, *layer["reshape"])
        return x

    def encode(self, parameters, images):
        """mean and logvar side by side."""
        return self.apply("encoder", parameters, images)

    def decode(self, parameters, codes):
        return self.apply("decoder", parameters, codes)

    def loss(self, parameters, images, noise, marginals, log_weights):
        mean, logvar = jnp.split(self.encode(parameters, images), 2, 1)
        z = mean + jnp.exp(0.5 * logvar) * noise
        logits = self.decode(parameters, z)
        batch = len(images)
        log_likelihood = (images * logits - jax.nn.softplus(logits)).sum() / batch
        # The constants −½ log 2π of log q(z|x) and log p(z) do not cancel: their coefficients differ.
        log_2pi = 1.8378770664093453
        log_q_given_x = -0.5 * (noise**2 + logvar + log_2pi).sum() / batch
        log_prior = -0.5 * (z**2 + log_2pi).sum() / batch
        log_q = marginals(z, mean, logvar, self.groups, log_weights).mean(0)
        return (self.objective["mutual_information"] * log_q_given_x + log_q @ self.block_weights -
                self.objective["dimension_kl"] * log_prior - log_likelihood)
