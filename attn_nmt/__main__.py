"""``python -m attn_nmt`` prints the path for ``--user-dir``; ``doctor`` looks at the set-up."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from attn_nmt.command_line import run
from attn_nmt.doctor import report


def main() -> None:
    """Print the path of the installed package, or the doctor's report."""
    parser = ArgumentParser(prog="python -m attn_nmt", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("path", "doctor"), default="path")
    if parser.parse_args().command == "doctor":
        report()
    else:
        print(Path(__file__).parent)


if __name__ == "__main__":
    run(main)
