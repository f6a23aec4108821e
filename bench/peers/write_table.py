"""Writes the figures of a JSON file of measure.py into a Markdown file, between <!-- peers --> and <!-- /peers -->.

    write_table.py RESULTS.json README.md
"""

import json
import pathlib
import sys

BEGIN, END = "<!-- peers -->", "<!-- /peers -->"


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def ratio(peer):
    r = peer["ratio"]
    return f"**{r['median']:.2f}** ({r['first']:.2f}–{r['third']:.2f})"


def processor_share(results):
    """Of the time that cuelbo ran with one thread: how much of it the thread had a processor."""
    shares = [r["cuelbo"]["cpu_ms"] / r["cuelbo"]["ms"] for r in results if r["threads"] == 1]
    return min(shares, default=1)


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def tables(content):
    results = content["results"]
    first = results[0]
    peaks = ", ".join(f"{peak:.0f} GFLOP/s on {threads}" for threads, peak in content["fma_peak_gflops"].items())
    lines = [f"{content['machine']['processor']}, {content['machine']['cpus']} CPUs; "
             f"{first['device'].split(',')[0].replace('(', '')} instructions; PyTorch {first['torch']}; FMA peak {peaks} "
             f"thread(s); {content['pairs']} pairs; {content['seconds']} s in all.", ""]
    if (share := processor_share(results)) < 0.95:
        lines += [f"The machine was busy with other things: a single thread had a processor for {share:.0%} of the time.", ""]
    if content["left_out"]:
        lines += ["Left out for lack of time: " + "; ".join(content["left_out"]) + ".", ""]
    lines += ["Training step", "",
              row("model", "threads", "cuelbo, ms", "of the floor", "PyTorch, ms", "ratio (quartiles)", "PyTorch's best"),
              row("---", *["---:"] * 5, "---")]
    for r in results:
        if r["kind"] == "training":
            best, ours = r["peers"][r["best"]], r["cuelbo"]
            lines.append(row(r["case"], r["threads"], number(ours["ms"]), f"{ours['share_of_floor']:.0%}",
                             number(best["ms"]), ratio(best), r["best"]))
    lines += ["", "ELBO decomposition, forward and backward", "",
              row("B, D, group size", "threads", "cuelbo, ms", "of the floor", "PyTorch, ms", "ratio (quartiles)",
                  "PyTorch's best", "B×B×D form, ms", "ratio (quartiles)"),
              row("---", *["---:"] * 5, "---", "---:", "---:")]
    for r in results:
        if r["kind"] == "decomposition":
            best, ours, naive = r["peers"][r["best"]], r["cuelbo"], r["peers"].get("pairs")
            lines.append(row(r["case"], r["threads"], number(ours["ms"]), f"{ours['share_of_floor']:.0%}",
                             number(best["ms"]), ratio(best), r["best"],
                             *((number(naive["ms"]), ratio(naive)) if naive else ("–", "–"))))
    return "\n".join(lines)


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    text = target.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"write_table.py: {target} needs one {BEGIN} and one {END} after it")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    beside = target.with_suffix(".tmp")
    beside.write_text(f"{head}{BEGIN}\n{tables(json.loads(source.read_text()))}\n{END}{tail}")
    beside.replace(target)


if __name__ == "__main__":
    main()
