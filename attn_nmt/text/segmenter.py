"""Plain text to the subwords of a prepared corpus, and back, as its data card says."""

from __future__ import annotations

from pathlib import Path

from attn_nmt.data_card import DataCard
from attn_nmt.text import moses
from attn_nmt.text.detokenizer import Detokenizer
from attn_nmt.text.moses import LineFunction


class Segmenter:
    """Turns sentences into a model's input, and its output into sentences.

    Args:
        card: of the corpus that the model was trained on.
        directory: of that card, with the subword model beside it.

    Raises:
        UsageError: if the subword model is missing, or its tool unknown.
    """

    def __init__(self, card: DataCard, directory: Path) -> None:
        self._subwords = card.subwords
        self._split = self._subwords.encoder(directory)
        self._preprocess_source = _preprocessor(card, card.source_lang)
        self._preprocess_target = _preprocessor(card, card.target_lang)
        self._detokenize = detokenizer(card)

    def encode(self, sentence: str) -> str:
        """Return the subwords of a source sentence, separated by blanks."""
        return self._encode(self._preprocess_source, sentence)

    def encode_target(self, sentence: str) -> str:
        """Return the subwords of a sentence of the target language."""
        return self._encode(self._preprocess_target, sentence)

    def _encode(self, preprocess: LineFunction, sentence: str) -> str:
        return self._split(preprocess(" ".join(sentence.split()))).strip()

    def decode(self, line: str) -> str:
        """Return the plain text of a translation in subwords."""
        return self._detokenize(self._subwords.decode(line))


def detokenizer(card: DataCard) -> LineFunction:
    """Return what makes plain text of a translation whose subwords are already joined."""
    if card.subwords.text_form == "tokens":
        return Detokenizer(card.target_lang)
    return str


def _preprocessor(card: DataCard, lang: str) -> LineFunction:
    """Return what the text of one language went through before it was split into subwords."""
    return moses.preprocessor(
        lang,
        normalize_punctuation=card.normalized_punctuation,
        tokenize=card.subwords.text_form == "tokens",
        aggressive_hyphens=bool(card.options.get("aggressive_hyphens", False)),
    )
