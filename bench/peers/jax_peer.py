"""JAX's side of a comparison; peer_side.py says how it is used."""

import peer_side

CASE = peer_side.read_case()
peer_side.use_processors(CASE["threads"])

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

import jax_marginals  # noqa: E402
import philox  # noqa: E402
from jax_model import Hfvae  # noqa: E402


def is_conv(config):
    return any("conv" in layer for layer in config["encoder"]["layers"])


class Training(peer_side.Work):
    """Variants: form of the convolutions, form of the marginals."""

    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, case):
        super().__init__()
        self.config = peer_side.read_config(case["config"])
        self.result = load_file(case["result"])
        self.images = jnp.asarray(load_file(case["images"])["images"])
        self.log_weights = jax_marginals.mixture_log_weights(len(self.images), case["dataset_size"])

    def variants(self):
        if is_conv(self.config):
            yield "patches, loop"
            if len(self.images) <= 64:  # slower, and by so much that it isn't tried with larger batches
                yield "lax, loop"
        else:
            yield from ("lax, loop", "lax, pairs")

    def make(self, variant):
        convolution, form = variant.split(", ")
        model = Hfvae(self.config, self.images.shape[1:], convolution)
        learning_rate = self.config["optimizer"]["adam"]["learning_rate"]

        def loss_of(parameters, noise):
            return model.loss(parameters, self.images, noise, jax_marginals.FORMS[form], self.log_weights)

        def update(state, noise):
            parameters, first, second, step = state
            loss, gradient = jax.value_and_grad(loss_of)(parameters, noise)
            step = step + 1
            first = jax.tree.map(lambda m, g: self.beta1 * m + (1 - self.beta1) * g, first, gradient)
            second = jax.tree.map(lambda v, g: self.beta2 * v + (1 - self.beta2) * g * g, second, gradient)
            scale = learning_rate / (1 - self.beta1**step)
            root = 1 / jnp.sqrt(1 - self.beta2**step)
            parameters = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) * root + self.epsilon),
                                      parameters, first, second)
            return (parameters, first, second, step), loss

        update = jax.jit(update, donate_argnums=0)
        random = np.random.default_rng(1)

        def step(noise=None):
            if noise is None:
                noise = random.standard_normal((len(self.images), model.dims), np.float32)
            step.state, step.loss = update(step.state, noise)
            return step.loss

        parameters = jax.tree.map(jnp.array, model.load(self.result))
        zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
        step.state, step.model = (parameters, *zeros, jnp.float32(0)), model
        self.last = step
        return step

    def finish(self):
        jax.block_until_ready(self.last.state)

    def call(self, variant):
        self.last = super().call(variant)
        return self.last

    def check(self, variant):
        step = self.call(variant)
        losses, gradients = [], []
        for i in range(len(self.result["losses"])):
            noise = philox.normal((len(self.images), step.model.dims), self.config["seed"], i)
            losses.append(float(step(noise)))
            if i == 0:  # the first moment is (1 − β₁) · gradient
                gradient = jax.tree.map(lambda m: np.asarray(m) / np.float32(1 - self.beta1), step.state[1])
                gradients = list(step.model.by_cuelbos_names("gradient", gradient))
        return peer_side.training_difference(self.result, losses, gradients)


class Decomposition(peer_side.Work):
    """Variants: forms of the marginals."""

    def __init__(self, case):
        super().__init__()
        codes = load_file(case["codes"])
        self.leaves = [jnp.asarray(codes[name]) for name in ("z", "mean", "logvar")]
        self.weight = jnp.asarray(codes["weight"])
        self.groups = case["groups"]
        self.result = load_file(case["result"])
        batch, dims = self.leaves[0].shape
        self.pair_bytes = 4 * batch * batch * dims
        self.log_weights = jax_marginals.mixture_log_weights(batch, case["dataset_size"])

    def variants(self):
        if self.leaves[0].shape[1] > 16:
            yield from ("tiled rolled", "tiled pairs")
        else:
            yield "tiled loop"
            if 8 * self.pair_bytes < peer_side.MOST_BYTES:
                yield from ("loop", "pairs")

    def make(self, variant):
        form = jax_marginals.FORMS[variant]

        def weighted(leaves):
            log_q = form(*leaves, self.groups, self.log_weights)
            return (log_q * self.weight).sum(), log_q

        step = jax.jit(jax.grad(weighted, has_aux=True))
        return lambda: jax.block_until_ready(step(self.leaves))

    def check(self, variant):
        gradients, log_q = self.call(variant)()
        return peer_side.decomposition_difference(self.result, log_q, gradients)


class Inference(peer_side.Work):
    """From and to host memory. Variants: form of the convolutions."""

    def __init__(self, case):
        super().__init__()
        self.config = peer_side.read_config(case["config"])
        self.encode = case["direction"] == "encode"
        inputs = load_file(case["inputs"])
        self.image_shape, self.values = inputs["images"].shape[1:], inputs["images" if self.encode else "codes"]
        self.result = load_file(case["result"])

    def variants(self):
        yield "lax"
        if is_conv(self.config):
            yield "patches"

    def make(self, variant):
        model = Hfvae(self.config, self.image_shape, variant)
        parameters = model.load(self.result)
        if self.encode:
            network = jax.jit(lambda images: model.encode(parameters, images))
        else:
            network = jax.jit(lambda codes: jax.nn.sigmoid(model.decode(parameters, codes)))
        return lambda: np.asarray(network(self.values))

    def check(self, variant):
        return {"output": peer_side.relative_error(peer_side.inference_output(self.result), self.call(variant)())}


KINDS = {"training": Training, "decomposition": Decomposition, "latency": Inference}

if __name__ == "__main__":
    peer_side.serve(KINDS[CASE["kind"]](CASE), CASE, {"version": jax.__version__})
