"""The noise of kernels/reparameterize/reparameterize.hpp, in NumPy."""

import numpy as np

MASK = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)


def philox4x32_10(counter, key):
    """Four words for each counter: (4, n) uint64 holding 32-bit words, and a pair of key words."""
    x, y, z, w = counter
    key_x, key_y = (np.uint64(k) for k in key)
    for _ in range(10):
        a = np.uint64(0xD2511F53) * x
        b = np.uint64(0xCD9E8D57) * z
        x, y, z, w = (b >> SHIFT) ^ y ^ key_x, b & MASK, (a >> SHIFT) ^ w ^ key_y, a & MASK
        key_x = (key_x + np.uint64(0x9E3779B9)) & MASK
        key_y = (key_y + np.uint64(0xBB67AE85)) & MASK
    return np.stack([x, y, z, w])


def normal(shape, seed, step, operation=0):
    """Standard normals: element i takes word i mod 4 of call i / 4; words (0, 1) and (2, 3) make pairs."""
    count = int(np.prod(shape))
    calls = np.arange((count + 3) // 4, dtype=np.uint64)
    constant = [np.full_like(calls, word) for word in (step & 0xFFFFFFFF, step >> 32, operation)]
    words = philox4x32_10(np.stack([calls, *constant]), (seed & 0xFFFFFFFF, seed >> 32))
    uniform = ((words >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0**-23
    radius = np.sqrt(-2 * np.log(uniform[0::2]))
    angle = 2 * np.pi * uniform[1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)  # (pair, cosine or sine, call)
    return pairs.reshape(4, -1).T.reshape(-1)[:count].reshape(shape).astype(np.float32)
