"""The marginals of the ELBO decomposition in PyTorch, in several forms, for G groups of equal size.

Each form takes z, mean, logvar (B, D), the number of groups, and the logarithms of the mixture's weights (B, B), and
returns log q̂ (B, 1 + G + D): of the joint, of each group, of each dimension.
"""

import math

import torch

LOG_2PI = math.log(2 * math.pi)


def mixture_log_weights(batch, dataset_size):
    """1/N for the own component, (N − 1) / (N (B − 1)) for the others."""
    n = dataset_size
    weights = torch.full((batch, batch), math.log((n - 1) / (n * (batch - 1))))
    return weights.fill_diagonal_(-math.log(n))


def pairs(z, mean, logvar, groups, log_weights):
    """The usual form: the (B, B, D) tensor of all pairs."""
    difference = z[:, None] - mean[None]
    density = -0.5 * (difference**2 * torch.exp(-logvar)[None] + logvar[None] + LOG_2PI)
    rows, batch, dims = density.shape
    group = density.view(rows, batch, groups, dims // groups).sum(3)
    blocks = torch.cat([group.sum(2, keepdim=True), group, density], 2)
    return torch.logsumexp(blocks + log_weights[..., None], 1)


def loop(z, mean, logvar, groups, log_weights):
    """A loop over dimensions, one (B, B) plane at a time."""
    precision = torch.exp(-logvar)
    constant = -0.5 * (logvar + LOG_2PI)
    size = z.shape[1] // groups
    joint, of_groups, of_dims = log_weights, [], []
    for g in range(groups):
        total = 0
        for d in range(g * size, (g + 1) * size):
            difference = z[:, d, None] - mean[None, :, d]
            density = torch.addcmul(constant[:, d], difference * difference, precision[:, d], value=-0.5)
            of_dims.append(torch.logsumexp(density + log_weights, 1))
            total = total + density
        of_groups.append(torch.logsumexp(total + log_weights, 1))
        joint = joint + total
    return torch.stack([torch.logsumexp(joint, 1), *of_groups, *of_dims], 1)


class Tiled(torch.autograd.Function):
    """Rows in tiles that stay in the cache, densities as matrix products, gradient by hand from recomputed densities:
    what is left when one asks for the fastest form that PyTorch's own operations allow."""

    tile_bytes = 1 << 20

    @staticmethod
    def tiles(batch, blocks):
        rows = max(4, Tiled.tile_bytes // (4 * blocks * batch))
        return [slice(begin, min(begin + rows, batch)) for begin in range(0, batch, rows)]

    @staticmethod
    def densities(z_powers, coefficients, groups, log_weights):
        """(blocks, rows, B), weights included. z_powers (D, rows, 3) = z², z, 1."""
        density = torch.bmm(z_powers, coefficients)
        dims, rows, batch = density.shape
        group = density.view(groups, dims // groups, rows, batch).sum(1)
        return torch.cat([group.sum(0, keepdim=True), group, density]).add_(log_weights)

    @staticmethod
    def forward(ctx, z, mean, logvar, groups, log_weights):
        precision = torch.exp(-logvar)
        scaled = precision * mean
        coefficients = torch.stack([-0.5 * precision, scaled, -0.5 * (scaled * mean + logvar + LOG_2PI)]).permute(2, 0, 1)
        coefficients = coefficients.contiguous()  # (D, 3, B)
        z_powers = torch.stack([z * z, z, torch.ones_like(z)]).permute(2, 1, 0).contiguous()  # (D, B, 3)
        tiles = Tiled.tiles(z.shape[0], 1 + groups + z.shape[1])
        log_q = torch.cat([
            torch.logsumexp(Tiled.densities(z_powers[:, t], coefficients, groups, log_weights[t]), 2) for t in tiles], 1)
        ctx.save_for_backward(z_powers, coefficients, log_q, log_weights, mean, precision)
        ctx.groups, ctx.tiles = groups, tiles
        return log_q.T

    @staticmethod
    def backward(ctx, gradient):
        z_powers, coefficients, log_q, log_weights, mean, precision = ctx.saved_tensors
        groups, dims = ctx.groups, z_powers.shape[0]
        size = dims // groups
        gradient = gradient.T
        dz, moments = [], torch.zeros(dims, 3, mean.shape[0], device=mean.device)
        for t in ctx.tiles:
            weight = Tiled.densities(z_powers[:, t], coefficients, groups, log_weights[t])
            weight.sub_(log_q[:, t, None]).exp_().mul_(gradient[:, t, None])
            weight[1:1 + groups].add_(weight[0])
            of_dims = weight[1 + groups:]
            of_dims.view(groups, size, *of_dims.shape[1:]).add_(weight[1:1 + groups, None])
            by_row = torch.bmm(of_dims, coefficients[:, :2].transpose(1, 2))  # Σ_j W · (−½a, aμ)
            dz.append(2 * z_powers[:, t, 1] * by_row[..., 0] + by_row[..., 1])
            moments.baddbmm_(z_powers[:, t].transpose(1, 2), of_dims)  # Σ_b W · (z², z, 1)
        square, first, zeroth = (moments[:, i].T for i in range(3))
        centred = first - mean * zeroth
        spread = square - mean * (2 * first - mean * zeroth)
        return torch.cat(dz, 1).T, precision * centred, 0.5 * (precision * spread - zeroth), None, None


def tiled(z, mean, logvar, groups, log_weights):
    return Tiled.apply(z, mean, logvar, groups, log_weights)


def form(name):
    """By name, "compiled" in front of it or not."""
    function = {"pairs": pairs, "loop": loop, "tiled": tiled}[name.split()[-1]]
    return torch.compile(function, dynamic=False) if name.startswith("compiled ") else function
