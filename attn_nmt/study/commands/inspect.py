"""``inspect``: what a trained model does with one sentence, as a page and pictures."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from attn_nmt.checkpoints import find_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.hub import from_pretrained
from attn_nmt.study.inspecting.capture import capture, model_facts, read_sentence
from attn_nmt.study.inspecting.files import ARRAYS, PAGE, PICTURES, write_files
from attn_nmt.study.inspecting.panels import make_panels


def add_parser(commands: Any) -> None:
    """Add the parser of ``inspect`` to the subparsers of the study."""
    parser: ArgumentParser = commands.add_parser(
        "inspect",
        help="what a trained model does with one sentence: weights, terms, offsets, kernels",
        description="Show what every sublayer of a trained model does with one sentence: the "
        "weights of each head and each term's share of them, where deformable convolutions sample, "
        "the kernels of dynamic ones; as a page and as PNGs.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", type=Path, help="a checkpoint, or a directory with one"
    )
    parser.add_argument(
        "data_bin",
        metavar="DATA_BIN",
        type=Path,
        help="the data that it was trained on, with the data card beside it",
    )
    parser.add_argument("--text", required=True, help="the sentence, as plain text")
    parser.add_argument(
        "--target",
        metavar="TEXT",
        help="its translation, as plain text; default: the model's own, by beam search",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help=f"for {PAGE} and {PICTURES}/; default: inspection/ beside the checkpoint",
    )
    parser.add_argument("--dump", action="store_true", help=f"also write all numbers to {ARRAYS}")
    parser.set_defaults(run=inspect, passes_flags_on=False)


def inspect(options: Namespace) -> None:
    """Write the page, the pictures and the arrays; print the translation and the page's path.

    Raises:
        UsageError: if the checkpoint, the data or a text cannot be used; then nothing is written.
    """
    if not options.data_bin.is_dir():
        raise UsageError(f"DATA_BIN must be a directory, but {options.data_bin} is not one.")
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise UsageError(f"--out must be a directory, but {options.out} is not one.")
    checkpoint = find_checkpoint(options.checkpoint)
    facts, flags = model_facts(checkpoint)
    translator = from_pretrained(checkpoint, options.data_bin, device="cpu")
    sentence = read_sentence(translator, options.text, options.target)
    (model,) = translator.models
    panels = make_panels(capture(model, sentence.source, sentence.target), sentence)
    out = options.out or checkpoint.parent / "inspection"
    write_files(out, panels, sentence, facts=facts, flags=flags, dump=options.dump)
    print(sentence.translation)
    print(out / PAGE)
