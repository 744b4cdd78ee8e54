"""Normalised punctuation, tokens, and which training pairs are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from attn_nmt.data.lines import Languages, Pair, open_sides, write_pair
from attn_nmt.data.parallel import ordered_map
from attn_nmt.progress import track
from attn_nmt.text import moses

MAX_TOKENS = 250
MAX_RATIO = 1.5
HELD_OUT_INTERVAL = 100


class CleanPair(NamedTuple):
    """A pair in the three forms in which it is written."""

    raw: Pair
    normalized: Pair
    tokens: Pair


def pair_cleaner(langs: Languages, *, aggressive_hyphens: bool) -> Callable[[Pair], CleanPair]:
    """Return what normalises and tokenises a pair by Moses's rules for each language.

    It loads these rules, so it is called once per process.
    """
    normalize = [moses.punctuation_normalizer(lang) for lang in langs]
    tokenize = [moses.tokenizer(lang, aggressive_hyphens=aggressive_hyphens) for lang in langs]

    def clean(pair: Pair) -> CleanPair:
        source, target = normalize[0](pair[0]), normalize[1](pair[1])
        return CleanPair(pair, (source, target), (tokenize[0](source), tokenize[1](target)))

    return clean


def reason_to_drop(tokens: Pair) -> str | None:
    """Return why a training pair is dropped, as by Moses's clean-corpus-n, or None to keep it.

    Pairs are kept with 1 to 250 tokens on either side, neither 1.5 times longer than the other.
    """
    source, target = (len(side.split()) for side in tokens)
    if not source or not target:
        return "blank"
    if max(source, target) > MAX_TOKENS:
        return f"more than {MAX_TOKENS} tokens"
    if max(source, target) > MAX_RATIO * min(source, target):
        return f"more than {MAX_RATIO} times as long"
    return None


def write_training_text(
    pairs: Iterable[Pair],
    stage: Path,
    form: str,
    langs: Languages,
    *,
    aggressive_hyphens: bool,
    held_out: bool,
    workers: int,
) -> Counter[str]:
    """Write the pairs that are kept to ``FORM/train.LANG``; return the dropped ones.

    Args:
        form: "tokens" or "normalized", a directory to create.
        held_out: write every hundredth pair to ``valid`` instead, and its raw text to ``raw/``.

    Returns:
        The number of dropped pairs by reason.
    """
    dropped: Counter[str] = Counter()
    make = partial(pair_cleaner, langs, aggressive_hyphens=aggressive_hyphens)
    with ExitStack() as stack:
        train = open_sides(stack, stage / form, "train", langs)
        valid = open_sides(stack, stage / form, "valid", langs) if held_out else []
        raw = open_sides(stack, stage / "raw", "valid", langs) if held_out else []
        kept = 0
        for pair in track(ordered_map(make, pairs, workers), f"{form}/train", unit="pairs"):
            if reason := reason_to_drop(pair.tokens):
                dropped[reason] += 1
                continue
            kept += 1
            is_held_out = held_out and kept % HELD_OUT_INTERVAL == 0
            write_pair(valid if is_held_out else train, getattr(pair, form))
            if is_held_out:
                write_pair(raw, pair.raw)
    return dropped


def write_evaluation_text(
    pairs: Iterable[Pair],
    stage: Path,
    form: str,
    split: str,
    langs: Languages,
    *,
    aggressive_hyphens: bool,
) -> None:
    """Write a validation or test set in the same form, without dropping any pair."""
    clean = pair_cleaner(langs, aggressive_hyphens=aggressive_hyphens)
    with ExitStack() as stack:
        files = open_sides(stack, stage / form, split, langs)
        for pair in pairs:
            write_pair(files, getattr(clean(pair), form))
