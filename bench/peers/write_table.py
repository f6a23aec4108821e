"""Writes the figures of a JSON file of measure.py into a Markdown file, between <!-- peers --> and <!-- /peers -->.

    write_table.py RESULTS.json README.md
"""

import json
import pathlib
import statistics
import sys

BEGIN, END = "<!-- peers -->", "<!-- /peers -->"
NAIVE = "PyTorch: pairs"


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def ratio(peer):
    r = peer["ratio"]
    return f"**{r['median']:.2f}** ({r['first']:.2f}–{r['third']:.2f})"


def share(ours):
    return f"{ours['share_of_floor']['median']:.0%}" if "share_of_floor" in ours else "–"


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(title, columns, rows):
    """Columns are (head, "---" or "---:"); nothing where there are no rows."""
    if not rows:
        return []
    return ["", title, "", row(*(head for head, _ in columns)), row(*(line for _, line in columns)), *rows]


def of_kind(content, kind):
    return [r for r in content["results"] if r["kind"] == kind]


def milliseconds(result, name):
    """The figures of a peer that took turns, else those of its tuning."""
    return result["peers"].get(name, result.get("tried", {}).get(name))["ms"]


def other_peers(result, unit=1):
    """The other frameworks' best."""
    best = result["best"].split(":")[0]
    others = [f"{framework} {number(unit * milliseconds(result, name))}"
              for framework, name in result["best_of_framework"].items() if framework != best]
    return ", ".join(others) or "–"


LEFT, RIGHT = "---", "---:"
COMPARISON = [("peer, ms", RIGHT), ("ratio (quartiles)", RIGHT), ("the peer", LEFT), ("other frameworks, ms", LEFT)]


def comparison(result):
    best = result["peers"][result["best"]]
    return [number(best["ms"]), ratio(best), result["best"], other_peers(result)]


def training(content):
    columns = [("model", LEFT), ("threads", RIGHT), ("cuelbo, ms", RIGHT), ("of the floor", RIGHT), *COMPARISON]
    rows = [row(r["case"], r["threads"], number(r["cuelbo"]["ms"]), share(r["cuelbo"]), *comparison(r))
            for r in of_kind(content, "training")]
    return table("Training step", columns, rows)


def naive(result):
    """The form with B×B×D tensors."""
    if NAIVE in result["peers"]:
        return [number(result["peers"][NAIVE]["ms"]), ratio(result["peers"][NAIVE])]
    return [number(result["tried"][NAIVE]["ms"]), "–"] if "ms" in result["tried"].get(NAIVE, {}) else ["–", "–"]


def decomposition(content):
    columns = [("B, D, group size", LEFT), ("threads", RIGHT), ("cuelbo, ms", RIGHT), ("of the floor", RIGHT),
               *COMPARISON, ("B×B×D form, ms", RIGHT), ("ratio (quartiles)", RIGHT),
               ("cuelbo's arena, process, MB", RIGHT)]
    rows = [row(r["case"], r["threads"], number(r["cuelbo"]["ms"]), share(r["cuelbo"]), *comparison(r), *naive(r),
                f"{r['cuelbo']['arena_bytes'] / 1e6:.1f}, {1.048576 * r['cuelbo']['peak_mib']:.0f}")
            for r in of_kind(content, "decomposition")]
    return table("ELBO decomposition, forward and backward", columns, rows)


def latency(content):
    def microseconds(figures):
        return " / ".join(number(figures["us"][p]) for p in ("p50", "p90", "p99"))

    columns = [("network, batch", LEFT), ("threads", RIGHT), ("cuelbo, µs: p50 / p90 / p99", RIGHT),
               ("of the floor", RIGHT), ("peer, µs: p50 / p90 / p99", RIGHT), ("ratio of p50 (quartiles)", RIGHT),
               ("the peer", LEFT), ("other frameworks, p50", LEFT)]
    rows = []
    for r in of_kind(content, "latency"):
        best = r["peers"][r["best"]]
        rows.append(row(r["case"], r["threads"], microseconds(r["cuelbo"]), share(r["cuelbo"]), microseconds(best),
                        ratio(best), r["best"], other_peers(r, unit=1e3)))
    return table("Latency of encoding and decoding, from and to host memory", columns, rows)


def images_per_second(batch, ms):
    return 1e3 * batch / ms


def loader(content):
    columns = [("data set", LEFT), ("cuelbo, images/s", RIGHT), ("peer, images/s", RIGHT), ("ratio (quartiles)", RIGHT),
               ("the peer", LEFT)]
    rows = []
    for r in of_kind(content, "loader"):
        best = r["peers"][r["best"]]
        rates = (images_per_second(r["batch"], figures["ms"]) for figures in (r["cuelbo"], best))
        rows.append(row(r["case"], *(f"{rate:.0f}" for rate in rates), ratio(best), r["best"]))
    lines = table("Shuffled batches of 256 float images", columns, rows)
    step = next((r for r in reversed(of_kind(content, "training")) if r["case"] == "conv, B = 256"), None)
    sprites = next((r for r in of_kind(content, "loader") if r["case"] == "dSprites"), None)
    if step and sprites:
        needed = images_per_second(step["batch"], step["cuelbo"]["ms"])
        made = images_per_second(sprites["batch"], sprites["cuelbo"]["ms"])
        lines += ["", "cuelbo renders dSprites; the peer gathers 20000 images that are in memory. The training step "
                      f"of conv, B = 256, takes {needed:.0f} images/s with {step['threads']} thread(s): "
                      f"{made / needed:.0f} times fewer than are rendered."]
    return lines


def start(content):
    rows = []
    for r in of_kind(content, "start"):
        others = "; ".join(f"{name} {number(p['ms'])} ms, {ratio(p)}" for name, p in r["peers"].items())
        rows.append(row(f"start to the end of the first step, {r['case']}", f"{number(r['cuelbo']['ms'])} ms", others))
    for r in of_kind(content, "memory"):
        others = "; ".join(f"{name} {p['peak_mib']:.0f} MiB, **{p['ratio']:.1f}**" for name, p in r["peers"].items())
        rows.append(row(f"peak memory of training, {r['case']}", f"{r['cuelbo']['peak_mib']:.0f} MiB", others))
    return table("A fresh process", [("", LEFT), ("cuelbo", RIGHT), ("others, ratio", LEFT)], rows)


def processor_share(content):
    """The share of cuelbo's single-threaded time in which the thread had a processor."""
    ours = [r["cuelbo"] for r in content["results"] if r["threads"] == 1 and "cpu_ms" in r["cuelbo"]]
    return min((figures["cpu_ms"] / figures["ms"] for figures in ours), default=1)


def fma_peaks(results):
    """The rates of the FMA units measured beside the cases, by number of threads."""
    measured = [(r["threads"], r["cuelbo"]["fma_peak_gflops"]["median"]) for r in results
                if "fma_peak_gflops" in r["cuelbo"]]
    return {threads: [peak for t, peak in measured if t == threads] for threads, _ in sorted(measured)}


def head(content):
    results = content["results"]
    versions = {name: version for r in results for name, version in r.get("versions", {}).items()}
    device = next((r["device"] for r in results if r.get("device")), "")
    lines = [f"{content['machine']['processor']}, {content['machine']['cpus']} CPUs; "
             f"{device.split(',')[0].replace('(', '')} instructions; "
             + ", ".join(f"{name} {version}" for name, version in versions.items())
             + f"; {content['pairs']} pairs; {content['seconds']} s in all."]
    if peaks := fma_peaks(results):
        lines += ["", "FMA units, median over the cases (least and most): " + "; ".join(
            f"{statistics.median(of):.0f} GFLOP/s ({min(of):.0f}–{max(of):.0f}) with {threads} thread(s)"
            for threads, of in peaks.items()) + "."]
    if (processor := processor_share(content)) < 0.95:
        lines += ["", "The machine was busy with other things: a single thread had a processor for "
                      f"{processor:.0%} of the time."]
    if fewer := [f"{r['case']}, {r['threads']} thread(s): {r['pairs']}" for r in results
                 if r.get("pairs", content["pairs"]) < content["pairs"]]:
        lines += ["", "Fewer pairs, of what takes long: " + "; ".join(fewer) + "."]
    if content["left_out"]:
        lines += ["", "Left out for lack of time: " + "; ".join(content["left_out"]) + "."]
    return lines


def tables(content):
    parts = (head, training, decomposition, latency, loader, start)
    return "\n".join(line for part in parts for line in part(content))


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    text = target.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"write_table.py: {target} needs one {BEGIN} and one {END} after it")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    beside = target.with_suffix(".tmp")
    beside.write_text(f"{before}{BEGIN}\n{tables(json.loads(source.read_text()))}\n{END}{after}")
    beside.replace(target)


if __name__ == "__main__":
    main()
