"""A tiny model and a sentence, as ``inspect`` sees them."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import torch

from attn_nmt.study.inspecting.sentence import Sentence
from support.tiny_models import Task, build, sentences

SMALL = {
    f"{side}_{name}": size
    for side in ("encoder", "decoder")
    for name, size in {"embed_dim": 16, "ffn_embed_dim": 16, "attention_heads": 2}.items()
}


def small_model(**flags: Any) -> Any:
    """Two layers a side, in float64, every parameter moved from where it began."""
    model = build(**SMALL, **flags)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(0.3 * noise)
    return model


def pair(text: str = "a text", translation: str = "ein Text") -> Sentence:
    """Six source and five target tokens, </s> at the end of both."""
    source, target = sentences(5, 4)
    symbols = Task().source_dictionary
    return Sentence(
        text=text,
        translation=translation,
        is_given=False,
        source=source,
        target=target,
        source_tokens=[symbols[token] for token in source],
        target_tokens=[symbols[token] for token in target],
    )


class Page(HTMLParser):
    """What stands in a page: elements with their attributes, texts by the element around them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.elements[-1][0] if self.elements else "", data))

    @property
    def panels(self) -> list[dict[str, Any]]:
        """The numbers that the page draws, from the JSON in it."""
        at = [
            number for number, (_, attrs) in enumerate(self.elements) if attrs.get("id") == "data"
        ]
        assert len(at) == 1 and self.elements[at[0]][1]["type"] == "application/json"
        (text,) = [text for tag, text in self.texts if tag == "script" and text.startswith("[{")]
        found: list[dict[str, Any]] = json.loads(text)
        return found
