"""The flags that all preparation commands share."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from attn_nmt.command_line import UsageError

SUBWORD_TOOLS = ("subword-nmt", "sentencepiece")


def parser(command: str, description: str, *, bpe_merges: int) -> ArgumentParser:
    """Return a parser with the common flags; the command adds its own."""
    flags = ArgumentParser(prog=command, description=description)
    flags.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="folder to write, new")
    flags.add_argument(
        "--bpe-merges",
        type=positive,
        default=bpe_merges,
        metavar="N",
        help="merges of the joint BPE; with sentencepiece, its vocabulary size (%(default)s)",
    )
    flags.add_argument("--subword", choices=SUBWORD_TOOLS, default=SUBWORD_TOOLS[0])
    flags.add_argument(
        "--sentencepiece-type",
        choices=("bpe", "unigram"),
        default="bpe",
        help="what sentencepiece learns (%(default)s)",
    )
    flags.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="processes (%(default)s)"
    )
    return flags


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"must be a whole number of at least 1, but is {text!r}")
    return int(text)


def check_mirror(options: Namespace) -> None:
    """Refuse a mirror that is neither an address nor a folder.

    Raises:
        UsageError: naming the folder.
    """
    mirror = options.mirror
    if mirror is not None and "://" not in mirror and not Path(mirror).is_dir():
        raise UsageError(f"--mirror must be an address or a folder, but {mirror} is neither.")
