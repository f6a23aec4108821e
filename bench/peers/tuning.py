"""Finds the fastest way of every framework to do a case, among those that compute what cuelbo computes."""

import time
from dataclasses import dataclass

from process import Peer, PeerError

HOPELESS = 1.5  # times as slow as the fastest: it gets no more calls unless they are short, and no more threads
NAIVE = "PyTorch: pairs"  # the form of the decomposition that stores B×B×D; always tried


@dataclass
class Contender:
    framework: str
    variant: str
    peer: Peer
    ms: float

    @property
    def name(self):
        return f"{self.framework}: {self.variant}"


def calls_for(case, milliseconds):
    """The number of calls that makes a measurement about as long as the case wants."""
    return max(1, min(1000 if case.command == "run" else 300, round(case.block_ms / milliseconds)))


def disagreement(case, difference):
    """The differences beyond the tolerance, as text; NaN counts as beyond it."""
    return ", ".join(f"{name} {difference[name]:.2g} > {most:.0e}" for name, most in case.tolerance.items()
                     if not difference[name] <= most)


def try_variant(case, peer, variant, best):
    """The result, and the milliseconds that it took."""
    start = time.monotonic()
    difference = peer.check(variant)
    tried = {"difference": difference, "first_seconds": time.monotonic() - start}
    if beyond := disagreement(case, difference):
        return tried | {"disagrees": beyond}
    ms = peer.time(case.command, variant, 1)["ms"]
    if ms < min(max(HOPELESS * best, case.block_ms), 1000):
        count = calls_for(case, ms)
        ms = min(peer.time(case.command, variant, count)["ms"] for _ in range(3))
    return tried | {"ms": ms}


def tune(case, peers, worth_trying=None):
    """{name: what came of it}, and the contenders, fastest first. `worth_trying`: names, or all."""
    tried, contenders = {}, []
    for peer in peers:
        for variant in peer.about["variants"]:
            name = f"{peer.framework}: {variant}"
            if worth_trying is not None and name not in worth_trying:
                continue
            best = min((contender.ms for contender in contenders), default=float("inf"))
            try:
                tried[name] = try_variant(case, peer, variant, best)
            except PeerError as error:
                tried[name] = {"error": str(error)}
            if "ms" in tried[name]:
                contenders.append(Contender(peer.framework, variant, peer, tried[name]["ms"]))
    if wrong := [f"{name} {t['disagrees']}" for name, t in tried.items() if "disagrees" in t]:
        raise PeerError(f"{case.kind} {case.title}: results differ: {'; '.join(wrong)}")
    if not contenders:
        raise PeerError(f"{case.kind} {case.title}: there is no peer: {tried}")
    return tried, sorted(contenders, key=lambda contender: contender.ms)


def best_of_each(contenders):
    """{framework: its fastest}."""
    best = {}
    for contender in contenders:
        best.setdefault(contender.framework, contender)
    return best


def worth_more_threads(contenders):
    """Names of those that may be the fastest, or their framework's fastest, with another number of threads."""
    bests = best_of_each(contenders).values()
    return {c.name for c in contenders if c in bests or c.name == NAIVE or c.ms < HOPELESS * contenders[0].ms}
