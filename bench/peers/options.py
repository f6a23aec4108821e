"""The options of measure.py. Nothing is imported that has to be installed: run.sh checks options with this first.

Usage: python3 bench/peers/options.py [--help | option of measure.py…]
"""

import argparse
import pathlib
import sys


def parser(description):
    options = argparse.ArgumentParser(prog="measure.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--program", required=True, help="cuelbo_peer")
    options.add_argument("--library-path", help="LD_LIBRARY_PATH of cuelbo_peer")
    options.add_argument("--cache", required=True, type=pathlib.Path, help="folder for what torch.compile makes")
    options.add_argument("--output", required=True, type=pathlib.Path, help="the JSON file to write")
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu",
                         help="for both sides; cuda: training steps against PyTorch alone")
    options.add_argument("--pairs", type=int, default=11)
    options.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    options.add_argument("--minutes", type=float, default=60, help="after these no further case is begun")
    options.add_argument("--only", default="", help="cases whose kind and title contain this, as in 'latency conv'")
    return options


if __name__ == "__main__":
    # run.sh gives the required ones itself.
    parser(None).parse_args(["--program", "", "--cache", "", "--output", "", *sys.argv[1:]])
