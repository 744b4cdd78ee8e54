"""``python -m attn_nmt``: the path for ``--user-dir``, the installed versions, or the flags."""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path

from attn_nmt.command_line import run
from attn_nmt.doctor import report


def main() -> None:
    """Print the path (by default), the report of ``doctor``, or the models' flags."""
    parser = ArgumentParser(prog="python -m attn_nmt")
    parser.add_argument(
        "command",
        nargs="?",
        choices=("path", "doctor", "flags"),
        default="path",
        help="path: of the package, for --user-dir; doctor: versions, device, conflicts; "
        "flags: those that the models add to fairseq-train",
    )
    command = parser.parse_args().command
    if command == "doctor":
        report()
    elif command == "flags":
        print_flags()
    else:
        print(Path(__file__).parent)


def print_flags() -> None:
    """Print the models' flags and defaults, which ``fairseq-train --help`` does not list."""
    from fairseq.dataclass.utils import gen_parser_from_dataclass

    from attn_nmt.models.config import AttnTransformerConfig

    parser = ArgumentParser(
        prog="fairseq-train DATA_BIN --user-dir attn_nmt --arch attn_transformer_wmt_en_de",
        formatter_class=ArgumentDefaultsHelpFormatter,
        add_help=False,
        usage="%(prog)s [flags]",
    )
    gen_parser_from_dataclass(parser, AttnTransformerConfig())
    parser.print_help()


if __name__ == "__main__":
    run(main)
