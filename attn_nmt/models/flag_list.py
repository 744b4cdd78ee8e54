"""``attn-nmt flags``: what the models add to fairseq-train, whose own help does not list it."""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser

from fairseq.dataclass.utils import gen_parser_from_dataclass

from attn_nmt.models.config import AttnTransformerConfig


def main() -> None:
    """Print the flags and their defaults."""
    ArgumentParser(
        prog="attn-nmt flags",
        description="Print the flags that the models add to fairseq-train, and their defaults.",
    ).parse_args()
    parser = ArgumentParser(
        prog="fairseq-train DATA_BIN --user-dir attn_nmt --arch attn_transformer_wmt_en_de",
        formatter_class=ArgumentDefaultsHelpFormatter,
        add_help=False,
        usage="%(prog)s [flags]",
    )
    gen_parser_from_dataclass(parser, AttnTransformerConfig())
    parser.print_help()
