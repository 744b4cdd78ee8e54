"""Plain text to the subwords of a prepared corpus, and back, as its data card says."""

from __future__ import annotations

from pathlib import Path

from attn_nmt import moses
from attn_nmt.data_card import DataCard
from attn_nmt.detokenizer import Detokenizer
from attn_nmt.moses import LineFunction


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
        encode = self._subwords.encoder(directory)
        self._source_steps = [*_text_steps(card, card.source_lang), encode]
        self._target_steps = [*_text_steps(card, card.target_lang), encode]
        self._detokenize = detokenizer(card)

    def encode(self, sentence: str) -> str:
        """Return the subwords of a source sentence, separated by blanks."""
        return _apply(self._source_steps, sentence)

    def encode_target(self, sentence: str) -> str:
        """Return the subwords of a sentence of the target language."""
        return _apply(self._target_steps, sentence)

    def decode(self, line: str) -> str:
        """Return the plain text of a translation in subwords."""
        return self._detokenize(self._subwords.decode(line))


def detokenizer(card: DataCard) -> LineFunction:
    """Return what makes plain text of a translation whose subwords are already joined."""
    if card.subwords.text_form == "tokens":
        return Detokenizer(card.target_lang)
    return str


def _text_steps(card: DataCard, lang: str) -> list[LineFunction]:
    """Return what the text of one language went through before it was split into subwords."""
    steps: list[LineFunction] = []
    if card.normalized_punctuation:
        steps.append(moses.punctuation_normalizer(lang))
    if card.subwords.text_form == "tokens":
        hyphens = bool(card.options.get("aggressive_hyphens", False))
        steps.append(moses.tokenizer(lang, aggressive_hyphens=hyphens))
    return steps


def _apply(steps: list[LineFunction], sentence: str) -> str:
    text = " ".join(sentence.split())
    for step in steps:
        text = step(text)
    return text.strip()
