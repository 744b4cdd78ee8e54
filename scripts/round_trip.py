"""Count the lines that tokenisation and detokenisation change, by kind of change.

python scripts/round_trip.py --lang de corpus/raw/train.de

A kind is what stands around a blank that was added or lost: 9 for digits, a for letters. The
detokeniser decides by rules, so what remains should be text that has the same tokens as more common
text, such as a blank before a comma. Read the examples before adding a rule.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from attn_nmt.command_line import run
from attn_nmt.data.lines import stream_lines
from attn_nmt.text import moses
from attn_nmt.text.detokenizer import Detokenizer


def changes(text: str, result: str) -> Iterator[tuple[str, str]]:
    """Yield the kind of each blank added or lost, and the text around it, | at the place."""
    if text.replace(" ", "") != result.replace(" ", ""):
        yield "characters changed", result
        return
    position = 0
    for blanks in _gaps(result):
        if text[position] == " " and not blanks:
            yield _kind("lost ", text, position, position + 1)
        elif text[position] != " " and blanks:
            yield _kind("added", text, position, position)
        position += 1 + (text[position] == " ")


def _gaps(text: str) -> list[bool]:
    """Return for each character but blanks whether a blank is before it."""
    return [bool(match[1]) for match in re.finditer(r"( ?)\S", text)]


def _kind(change: str, text: str, start: int, end: int) -> tuple[str, str]:
    around = f"{text[max(0, start - 2) : start]}|{text[end : end + 2]}"
    kind = "".join("9" if c.isdigit() else "a" if c.isalpha() else c for c in around)
    return f"{change} {kind}", f"{text[max(0, start - 20) : start]}|{text[end : end + 20]}"


def main() -> None:
    """Print the number of lines changed in all files together, and the most frequent kinds."""
    parser = ArgumentParser(prog="round_trip.py", description=__doc__.split("\n")[0])
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="text, maybe .gz")
    parser.add_argument("--lang", required=True)
    parser.add_argument("--aggressive-hyphens", action="store_true")
    parser.add_argument(
        "--normalize", action="store_true", help="punctuation first, as WMT14's preparation does"
    )
    parser.add_argument("--kinds", type=int, default=20, metavar="N", help="to print (%(default)s)")
    args = parser.parse_args()
    normalize = moses.punctuation_normalizer(args.lang) if args.normalize else str
    tokenize = moses.tokenizer(args.lang, aggressive_hyphens=args.aggressive_hyphens)
    detokenize = Detokenizer(args.lang)
    lines = changed = 0
    kinds: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for path in args.files:
        for line in map(normalize, stream_lines(path)):
            lines += 1
            result = detokenize(tokenize(line))
            changed += result != line
            for kind, example in changes(line, result):
                kinds[kind] += 1
                examples.setdefault(kind, example)
    print(f"{changed} of {lines} lines changed")
    for kind, count in kinds.most_common(args.kinds):
        print(f"{count:8}  {kind:16}  {examples[kind]}")


if __name__ == "__main__":
    run(main)
