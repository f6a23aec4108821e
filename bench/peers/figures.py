"""Samples to figures."""

import statistics


def quartiles(values):
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return {"first": first, "median": median, "third": third}


def percentiles(values):
    of = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": of[49], "p90": of[89], "p99": of[98]}


def summary(samples):
    """Figures of the samples of one side."""
    figures = {"ms": statistics.median(s["ms"] for s in samples)}
    if all("cpu_ms" in s for s in samples):
        figures["cpu_ms"] = statistics.median(s["cpu_ms"] for s in samples)
    if all("us" in s for s in samples):
        figures["us"] = percentiles([us for s in samples for us in s["us"]])
    return figures


def compared(samples, ours):
    """Figures of the samples of a peer, each paired with one of cuelbo's."""
    return summary(samples) | {"ratio": quartiles([s["ms"] / o["ms"] for s, o in zip(samples, ours, strict=True)])}


def share_of_floor(flops, ours, peaks):
    """The share of each sample's time that `flops` operations take at the peak measured beside it."""
    return quartiles([1e3 * flops / peak / o["ms"] for o, peak in zip(ours, peaks, strict=True)])
