"""Punctuation, tokens, and which training pairs are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple, TextIO

from tqdm import tqdm

from attn_nmt import moses
from data_prep.parallel import mapped
from data_prep.segment import LANGUAGES

Pair = tuple[str, str]
MOST_TOKENS = 250
LARGEST_RATIO = 1.5
HELD_OUT_EVERY = 100


class CleanPair(NamedTuple):
    """A pair in the three forms in which it is needed."""

    raw: Pair
    normalized: Pair
    tokens: Pair


def pair_cleaner(*, aggressive_hyphens: bool) -> Callable[[Pair], CleanPair]:
    """Return what normalises and tokenises a pair, by Moses's rules for each language.

    Loads the rules; to be made once a process.
    """
    normalize = [moses.punctuation_normalizer(lang) for lang in LANGUAGES]
    tokenize = [moses.tokenizer(lang, aggressive_hyphens=aggressive_hyphens) for lang in LANGUAGES]

    def clean(pair: Pair) -> CleanPair:
        source, target = normalize[0](pair[0]), normalize[1](pair[1])
        return CleanPair(pair, (source, target), (tokenize[0](source), tokenize[1](target)))

    return clean


def reason_to_drop(tokens: Pair) -> str | None:
    """Return why a training pair is left out, as Moses's clean-corpus-n has it; None to keep it.

    Kept are pairs of 1 to 250 tokens a side, neither side longer than 1.5 times the other.
    """
    source, target = (len(side.split()) for side in tokens)
    if not source or not target:
        return "blank"
    if max(source, target) > MOST_TOKENS:
        return f"more than {MOST_TOKENS} tokens"
    if max(source, target) > LARGEST_RATIO * min(source, target):
        return f"more than {LARGEST_RATIO} times as long"
    return None


def write_training_text(
    pairs: Iterable[Pair],
    folder: Path,
    form: str,
    *,
    aggressive_hyphens: bool,
    held_out: bool,
    workers: int,
) -> Counter[str]:
    """Write the pairs that are kept to ``FORM/train.en`` and ``.de``; return what was dropped.

    Args:
        form: "tokens" or "normalized", a folder to make.
        held_out: write every hundredth of them to ``valid`` instead, and its raw text to ``raw/``.
    """
    dropped: Counter[str] = Counter()
    make = partial(pair_cleaner, aggressive_hyphens=aggressive_hyphens)
    with ExitStack() as stack:
        train = _open_sides(stack, folder / form, "train")
        valid = _open_sides(stack, folder / form, "valid") if held_out else []
        raw = _open_sides(stack, folder / "raw", "valid") if held_out else []
        kept = 0
        for pair in tqdm(mapped(make, pairs, workers), desc=f"{form}/train", unit=" pairs"):
            if reason := reason_to_drop(pair.tokens):
                dropped[reason] += 1
                continue
            kept += 1
            is_held_out = held_out and kept % HELD_OUT_EVERY == 0
            _write(valid if is_held_out else train, getattr(pair, form))
            if is_held_out:
                _write(raw, pair.raw)
    return dropped


def write_evaluation_text(
    pairs: Iterable[Pair], folder: Path, form: str, split: str, *, aggressive_hyphens: bool
) -> None:
    """Do the same for a validation or test set, of which nothing is dropped."""
    clean = pair_cleaner(aggressive_hyphens=aggressive_hyphens)
    with ExitStack() as stack:
        files = _open_sides(stack, folder / form, split)
        for pair in pairs:
            _write(files, getattr(clean(pair), form))


def _open_sides(stack: ExitStack, folder: Path, split: str) -> list[TextIO]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        stack.enter_context((folder / f"{split}.{lang}").open("w", encoding="utf-8", newline="\n"))
        for lang in LANGUAGES
    ]


def _write(files: list[TextIO], pair: Pair) -> None:
    for file, text in zip(files, pair, strict=True):
        file.write(text + "\n")
