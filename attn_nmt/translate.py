"""``translate.sh MODEL [options] < in.en > out.de``: plain text in, plain text out."""

from __future__ import annotations

import re
import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from attn_nmt.command_line import UsageError, positive, real, run
from attn_nmt.progress import Progress
from attn_nmt.search import WINDOW, SearchOptions, add_search_options

if TYPE_CHECKING:  # they import fairseq, which --help does not need
    from attn_nmt.hub import Hypothesis


def main() -> None:
    """Translate standard input, and write as many lines as were read.

    A blank line stays blank. Output is written a window at a time, so that it can be read while
    the rest is translated.

    Raises:
        UsageError: if an option, the model, or a line of the input breaks a rule; what has been
            translated before it has been written.
    """
    options = _parser().parse_args()
    names = ("beam", "lenpen", "nbest", "max_tokens", "sampling_topk", "sampling_topp")
    search = {name: getattr(options, name) for name in names}
    search = {name: value for name, value in search.items() if value is not None}
    search["alignment"] = options.alignments is not None
    try:
        SearchOptions(**search)
    except ValueError as error:
        raise UsageError(_as_flags(error)) from None
    from attn_nmt.hub import from_pretrained

    # PyTorch's advice on memory that only GPUs have.
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    with ExitStack() as stack:
        alignments = None
        try:
            translator = from_pretrained(
                options.model, options.data_bin, device=options.device, int8=options.int8
            )
            if options.alignments is not None:
                alignments = stack.enter_context(options.alignments.open("w", encoding="utf-8"))
                print(*_ALIGNMENT_COLUMNS, sep="\t", file=alignments)
            lines = translator.hypotheses(_read(), window=options.window, **search)
            progress = stack.enter_context(Progress("translated", unit="lines"))
            for number, found in enumerate(lines, start=1):
                _write(number, found, options)
                if alignments is not None:
                    _write_alignment(number, found[0], alignments)
                progress.update()
        except (ValueError, UsageError) as error:
            raise UsageError(_as_flags(error)) from None


def _as_flags(error: Exception) -> str:
    """Name the flags rather than the arguments: `max_tokens` -> --max-tokens."""
    return re.sub(r"`(\w+)`", lambda name: "--" + name[1].replace("_", "-"), str(error))


def _read() -> Iterator[str]:
    """Yield the lines of standard input; nothing but a newline ends one.

    Raises:
        UsageError: if one is not UTF-8.
    """
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise UsageError(f"Line {number} of the input must be UTF-8, but is not.") from None


def _write(number: int, found: list[Hypothesis], options: Namespace) -> None:
    for hypothesis in found:
        columns: list[Any] = [hypothesis.text]
        if options.scores or options.nbest > 1:
            columns.insert(0, f"{hypothesis.score:.4f}")
        if options.nbest > 1:
            columns.insert(0, number)
        print(*columns, sep="\t")
    if number % options.window == 0:
        sys.stdout.flush()


_ALIGNMENT_COLUMNS = ("line", "target", "target_token", "source", "source_token")


def _write_alignment(number: int, best: Hypothesis, file: TextIO) -> None:
    """Write one row per target token: positions count from 0, tokens are subwords."""
    for target, source in enumerate(best.alignment):
        tokens = best.target_tokens[target], best.source_tokens[source]
        print(number, target, tokens[0], source, tokens[1], sep="\t", file=file)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="attn-nmt translate",
        usage="%(prog)s MODEL [options] < in > out",
        description="Translate plain text from standard input to standard output, line by line.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a checkpoint, a directory with one, or an ensemble a:b"
    )
    parser.add_argument(
        "--data-bin",
        metavar="DIR",
        type=Path,
        help="the data that it was trained on, with the data card beside it; default: the one "
        "named in the checkpoint",
    )
    add_search_options(parser)
    parser.add_argument(
        "--nbest",
        metavar="N",
        type=positive("--nbest"),
        default=1,
        help="write N lines for each that is not blank: number of the line, score, translation; "
        "default: 1",
    )
    parser.add_argument(
        "--scores", action="store_true", help="write the score and a tab before each translation"
    )
    parser.add_argument(
        "--sampling-topk",
        metavar="K",
        type=positive("--sampling-topk"),
        help="draw each token from the K likeliest instead of searching",
    )
    parser.add_argument(
        "--sampling-topp",
        metavar="P",
        type=real("--sampling-topp"),
        help="draw each token from the likeliest that together have probability P",
    )
    parser.add_argument(
        "--max-tokens",
        metavar="N",
        type=positive("--max-tokens"),
        default=SearchOptions.max_tokens,
        help=f"tokens per batch, on the longer side; default: {SearchOptions.max_tokens}",
    )
    parser.add_argument(
        "--window",
        metavar="N",
        type=positive("--window"),
        default=WINDOW,
        help="lines that are sorted by length and translated before the first of them is written; "
        f"default: {WINDOW}",
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="such as cpu, cuda or cuda:1; default: a GPU if there is one",
    )
    parser.add_argument(
        "--alignments",
        metavar="FILE",
        type=Path,
        help="write a table, tab-separated: for each token of a translation the source token that "
        "it attends to most",
    )
    return parser


if __name__ == "__main__":
    run(main)
