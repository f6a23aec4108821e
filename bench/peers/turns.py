"""One case: both sides compute, results are compared, peers are tuned, then cuelbo and the peers take turns."""

import contextlib
import time

from cases import FP32, write_case
from figures import compared, quartiles, share_of_floor, summary
from process import Ours, Peer, PeerError
from tuning import NAIVE, best_of_each, calls_for, tune, worth_more_threads

MOST_SECONDS = 100  # of turns, or there are fewer of them
LEAST_PAIRS = 5
MOST_PEAK_MS = 500  # of the FMA units, in each turn
MOST_SIDE_SECONDS = 20  # what is not the fastest takes turns if it takes no longer than this in all


def frameworks_of(case, device):
    return case.frameworks if device == "cpu" else ("PyTorch",)


def who_takes_turns(contenders, pairs):
    """The fastest, then each other framework's fastest and the naive form, where they do not take too long."""
    fastest, *others = contenders
    bests = best_of_each(contenders).values()
    return [fastest] + [c for c in others if (c in bests or c.name == NAIVE) and c.ms * pairs < 1e3 * MOST_SIDE_SECONDS]


def take_turns(case, ours, contenders, most_pairs, peak):
    """Samples of cuelbo, of each contender and of the FMA units, one after the other."""
    our_ms = ours.time(case.command, 1)["ms"]
    peak_ms = min(max(case.block_ms, our_ms), MOST_PEAK_MS)
    runs = [lambda n=calls_for(case, our_ms): ours.time(case.command, n)]
    runs += [lambda c=c, n=calls_for(case, c.ms): c.peer.time(case.command, c.variant, n) for c in contenders]
    runs.append(lambda: peak.flops(peak_ms) if peak else None)
    round_ms = sum(max(case.block_ms, ms) for ms in [our_ms, *(c.ms for c in contenders)])
    pairs = min(most_pairs, max(LEAST_PAIRS, int(1e3 * MOST_SECONDS / round_ms)))
    samples = [[] for _ in runs]
    for _ in range(pairs):
        for run, of_run in zip(runs, samples):
            time.sleep(0.01)  # the other side's threads stop spinning
            of_run.append(run())
    return samples


def cuelbo_figures(case, ours, samples, peaks):
    figures = summary(samples) | {"peak_mib": ours.peak_mib()}
    if "arena_bytes" in ours.about:
        flops = ours.about["flops"]
        figures |= {"arena_bytes": ours.about["arena_bytes"], "gflop": flops / 1e9}
        if None not in peaks and case.precision == FP32:
            figures |= {"fma_peak_gflops": quartiles([peak / 1e9 for peak in peaks]),
                        "share_of_floor": share_of_floor(flops, samples, peaks)}
    return figures


def measure(case, threads, options, peak, folder, worth_trying=None):
    """The result, and the names that are worth trying with another number of threads."""
    arguments, case_file = write_case(case, folder, threads, options.device)
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(Ours(options, arguments))
        peers, missing = [], {}
        for framework in frameworks_of(case, options.device):
            try:
                peers.append(stack.enter_context(Peer(framework, case_file, threads, options.cache)))
            except PeerError as error:
                missing[framework] = {"error": str(error)}
        tried, contenders = tune(case, peers, worth_trying)
        turns = who_takes_turns(contenders, options.pairs)
        ours_samples, *others, peaks = take_turns(case, ours, turns, options.pairs, peak)
        figures = {c.name: compared(samples, ours_samples) for c, samples in zip(turns, others)}
        best_of = {framework: contender.name for framework, contender in best_of_each(contenders).items()}
        result = {
            "kind": case.kind, "case": case.title, "threads": threads, "batch": case.batch,
            "precision": case.precision, "pairs": len(ours_samples), "tolerance": case.tolerance,
            "device": ours.about.get("device"),
            "versions": {peer.framework: peer.about["version"] for peer in peers},
            "cpu_capability": next((p.about["cpu_capability"] for p in peers if p.framework == "PyTorch"), None),
            "cuelbo": cuelbo_figures(case, ours, ours_samples, peaks),
            "best": min(figures, key=lambda name: figures[name]["ms"]), "best_of_framework": best_of, "peers": figures,
            "tried": tried | missing,
        }
        return result, worth_more_threads(contenders)
