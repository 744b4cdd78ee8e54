"""The options that all preparation commands share."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from attn_nmt.command_line import UsageError, positive
from attn_nmt.text.subwords import SUBWORD_TOOLS


def build_parser(command: str, description: str, *, bpe_merges: int) -> ArgumentParser:
    """Return a parser with the shared options, to which the command adds its own."""
    parser = ArgumentParser(
        prog=f"attn-nmt prepare {command}", description=description, allow_abbrev=False
    )
    parser.add_argument("out_dir", metavar="OUT_DIR", type=Path, help="new directory to create")
    parser.add_argument(
        "--bpe-merges",
        type=positive("--bpe-merges"),
        default=bpe_merges,
        metavar="N",
        help="merges of the joint BPE; with sentencepiece, the vocabulary size (%(default)s)",
    )
    parser.add_argument("--subword", choices=tuple(SUBWORD_TOOLS), default="subword-nmt")
    parser.add_argument(
        "--sentencepiece-type",
        choices=("bpe", "unigram"),
        default="bpe",
        help="model that sentencepiece learns (%(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=positive("--workers"),
        default=1,
        metavar="N",
        help="processes (%(default)s)",
    )
    return parser


def add_aggressive_hyphens(parser: ArgumentParser) -> None:
    """Add the option of commands in which Moses's rules can be chosen."""
    parser.add_argument(
        "--aggressive-hyphens",
        action="store_true",
        help="split a-b into a @-@ b, as fairseq's script does",
    )


def check_mirror(args: Namespace) -> None:
    """Refuse a mirror that is neither an address nor a directory.

    Raises:
        UsageError: naming the mirror.
    """
    mirror = args.mirror
    if mirror is not None and "://" not in mirror and not Path(mirror).is_dir():
        raise UsageError(f"--mirror must be an address or a directory, but {mirror} is neither.")
