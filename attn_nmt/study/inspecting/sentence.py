"""One sentence and its translation, as the tokens that the model sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from attn_nmt.command_line import UsageError
from attn_nmt.hub import Translator


@dataclass(frozen=True)
class Sentence:
    """A pair of sentences; both end in </s>.

    Shape:
        - source: (S); target: (T)
    """

    text: str
    translation: str
    is_given: bool
    """True if the translation was given, False if the model found it."""
    source: Tensor
    target: Tensor
    source_tokens: list[str]
    target_tokens: list[str]
    """What the decoder is to say at each position."""

    @property
    def input_tokens(self) -> list[str]:
        """What the decoder reads at each position: </s>, and then what it said before."""
        return [*self.target_tokens[-1:], *self.target_tokens[:-1]]


def read_sentence(translator: Translator, text: str, target: str | None = None) -> Sentence:
    """Return a sentence with the translation given, or with that of the model's beam search.

    Raises:
        UsageError: if a text is empty, or longer than the model can take.
    """
    source = _encode(translator, "--text", text)
    if target is None:
        found = translator.search(source)
        translation = translator.decode(found)
    else:
        found, translation = _encode(translator, "--target", target), target
    task = translator.task
    return Sentence(
        text=text,
        translation=translation,
        is_given=target is not None,
        source=source,
        target=found,
        source_tokens=_symbols(task.source_dictionary, source),
        target_tokens=_symbols(task.target_dictionary, found),
    )


def _encode(translator: Translator, flag: str, text: str) -> Tensor:
    if not text.strip():
        raise UsageError(f"{flag} must be a sentence, but is {text!r}.")
    try:
        return translator.encode(text, target=flag == "--target")
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error


def _symbols(dictionary: Any, tokens: Tensor) -> list[str]:
    return [str(dictionary[token]) for token in tokens.tolist()]
