"""A tiny model and a sentence, as ``inspect`` sees them."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import torch

from attn_nmt.study.inspecting.capture import Sentence
from support.tiny_models import Task, build, sentences

SMALL = {
    f"{side}_{name}": size
    for side in ("encoder", "decoder")
    for name, size in {"embed_dim": 16, "ffn_embed_dim": 16, "attention_heads": 2}.items()
}


def small_model(**flags: Any) -> Any:
    """Two layers on each side, in float64, with noise on every parameter."""
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
    """The elements of a page with their attributes, and its texts with the element around each."""

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
        (attrs,) = [attrs for _, attrs in self.elements if attrs.get("id") == "data"]
        assert attrs["type"] == "application/json"
        (text,) = [text for tag, text in self.texts if tag == "script" and text.startswith("[{")]
        panels: list[dict[str, Any]] = json.loads(text)
        return panels
