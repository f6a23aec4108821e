"""The marginals of the ELBO decomposition in JAX; as marginals.py has them in PyTorch."""

import functools
import math

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

LOG_2PI = math.log(2 * math.pi)


def mixture_log_weights(batch, dataset_size):
    n = dataset_size
    other = math.log((n - 1) / (n * (batch - 1)))
    return jnp.where(jnp.eye(batch, dtype=bool), -math.log(n), other).astype(jnp.float32)


def pairs(z, mean, logvar, groups, log_weights):
    difference = z[:, None] - mean[None]
    density = -0.5 * (difference**2 * jnp.exp(-logvar)[None] + logvar[None] + LOG_2PI)
    rows, batch, dims = density.shape
    group = density.reshape(rows, batch, groups, dims // groups).sum(3)
    blocks = jnp.concatenate([group.sum(2, keepdims=True), group, density], 2)
    return logsumexp(blocks + log_weights[..., None], 1)


def of_group(z, mean, logvar, log_weights):
    """The group's density, a (rows, B) plane, and log q̂ of the group and of its dimensions, one plane at a time."""
    precision, constant = jnp.exp(-logvar), -0.5 * (logvar + LOG_2PI)
    total, of_dims = 0, []
    for d in range(z.shape[1]):
        density = constant[:, d] - 0.5 * (z[:, d, None] - mean[None, :, d]) ** 2 * precision[:, d]
        of_dims.append(logsumexp(density + log_weights, 1))
        total = total + density
    return total, logsumexp(total + log_weights, 1), jnp.stack(of_dims)


def loop(z, mean, logvar, groups, log_weights):
    """Over the groups, unrolled."""
    of_groups = [of_group(*codes, log_weights) for codes in zip(*(jnp.split(x, groups, 1) for x in (z, mean, logvar)))]
    totals, group, dims = zip(*of_groups)
    joint = logsumexp(log_weights + sum(totals), 1)
    return jnp.concatenate([joint[None], jnp.stack(group), *dims]).T


def rolled(z, mean, logvar, groups, log_weights):
    """Over the groups, one after the other: compiles in seconds where `loop` takes minutes."""
    by_group = [x.reshape(len(x), groups, -1).transpose(1, 0, 2) for x in (z, mean, logvar)]
    totals, group, dims = jax.lax.map(lambda codes: of_group(*codes, log_weights), by_group)
    joint = logsumexp(log_weights + totals.sum(0), 1)
    return jnp.concatenate([joint[None], group, dims.reshape(-1, len(z))]).T


def tiled(form, tile_bytes, z, mean, logvar, groups, log_weights):
    """Rows in tiles of so many bytes of a (rows, B, D) tensor, each computed again in the backward pass."""
    batch, dims = z.shape
    rows = max(1, min(batch, tile_bytes // (4 * batch * dims)))
    while batch % rows:
        rows -= 1

    @jax.checkpoint
    def tile(z_and_weights):
        return form(z_and_weights[0], mean, logvar, groups, z_and_weights[1])

    tiles = jax.lax.map(tile, (z.reshape(-1, rows, dims), log_weights.reshape(-1, rows, batch)))
    return tiles.reshape(batch, -1)


FORMS = {
    "pairs": pairs,
    "loop": loop,
    "tiled pairs": functools.partial(tiled, pairs, 1 << 18),
    "tiled loop": functools.partial(tiled, loop, 1 << 22),
    "tiled rolled": functools.partial(tiled, rolled, 1 << 23),
}
