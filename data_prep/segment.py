"""From sentences to subwords: Moses tokens and BPE, or sentencepiece on the text itself.

Texts are read and written as streams; memory holds the vocabulary, not the corpus.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import sentencepiece
from subword_nmt.learn_bpe import learn_bpe

from attn_nmt import moses
from attn_nmt.segmenter import CODES, MODEL, bpe_encoder, sentencepiece_encoder
from data_prep.parallel import map_lines

SPLITS = ("train", "valid", "test")
LANGUAGES = ("en", "de")
# More sentences would not change a vocabulary of this size, but need tens of gigabytes.
_MOST_SENTENCES = 2_000_000


def tokenize(folder: Path, *, workers: int) -> None:
    """raw/ -> tokens/ with Moses's rules."""
    for name, lang in _all_files():
        tokenizer = partial(moses.tokenizer, lang)
        map_lines(tokenizer, folder / "raw" / name, folder / "tokens" / name, workers=workers)


def learn_bpe_codes(folder: Path, *, merges: int) -> None:
    """tokens/train.* -> bpe.codes by subword-nmt, one set for both languages."""
    with (
        (folder / CODES).open("w", encoding="utf-8") as file,
        # It reports to standard error when the text has too few pairs for so many merges.
        contextlib.redirect_stderr(io.StringIO()),
    ):
        learn_bpe(_training_lines(folder / "tokens"), file, merges)


def apply_bpe(folder: Path, *, workers: int) -> None:
    """tokens/ -> subwords/ by the codes."""
    for name, _ in _all_files():
        encoder = partial(bpe_encoder, folder / CODES)
        map_lines(encoder, folder / "tokens" / name, folder / "subwords" / name, workers=workers)


def learn_sentencepiece(
    folder: Path, form: str, *, vocabulary: int, model_type: str = "bpe"
) -> None:
    """FORM/train.* -> sentencepiece.model, one for both languages.

    Of more than two million sentences a random part is used, the same in every run.
    """
    model = folder / MODEL
    sentencepiece.set_random_generator_seed(1)
    sentencepiece.SentencePieceTrainer.train(
        input=[str(folder / form / f"train.{lang}") for lang in LANGUAGES],
        model_prefix=str(model.with_suffix("")),
        model_type=model_type,
        vocab_size=vocabulary,
        # A small corpus may not have that many pieces.
        hard_vocab_limit=False,
        input_sentence_size=_MOST_SENTENCES,
        shuffle_input_sentence=True,
        # The text is NFC already; NFKC would change what is scored.
        normalization_rule_name="identity",
        character_coverage=1.0,
        num_threads=1,
        minloglevel=1,
    )


def apply_sentencepiece(folder: Path, form: str = "raw", *, workers: int) -> None:
    """FORM/ -> subwords/ by the model."""
    for name, _ in _all_files():
        encoder = partial(sentencepiece_encoder, folder / MODEL)
        map_lines(encoder, folder / form / name, folder / "subwords" / name, workers=workers)


def _all_files() -> list[tuple[str, str]]:
    """Name and language of the six files of a folder."""
    return [(f"{split}.{lang}", lang) for split in SPLITS for lang in LANGUAGES]


def _training_lines(folder: Path) -> Iterator[str]:
    """Read both languages one after the other."""
    with contextlib.ExitStack() as stack:
        files = [
            stack.enter_context((folder / f"train.{lang}").open(encoding="utf-8", newline="\n"))
            for lang in LANGUAGES
        ]
        yield from itertools.chain.from_iterable(files)
