"""How translations are searched for: the options, their defaults, and their flags.

The same wherever one is made: by ``attn-nmt evaluate``, by ``attn-nmt translate`` and from Python.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass

from attn_nmt.command_line import positive, real

WINDOW = 1000
"""Sentences that are sorted by length and translated before the first of them is returned."""


@dataclass(frozen=True)
class SearchOptions:
    """How translations are searched for; the defaults are those of ``evaluate.sh``.

    Raises:
        ValueError: naming the option, the rule and the value found.
    """

    beam: int = 4
    lenpen: float = 0.6
    """Exponent of the length by which a score is divided; more favours long translations."""
    nbest: int = 1
    """How many hypotheses of the beam are returned."""
    max_tokens: int = 8000
    """Tokens per batch, on the longer side."""
    sampling_topk: int = 0
    """Draw each token from the K likeliest instead of searching; 0 searches."""
    sampling_topp: float = 0.0
    """Draw each token from the likeliest that together have probability P; 0 searches."""
    alignment: bool = False
    """Whether hypotheses say what their tokens attend to, which takes a little longer."""

    def __post_init__(self) -> None:
        for name in ("beam", "nbest", "max_tokens"):
            self._require(name, getattr(self, name) >= 1, "be positive")
        self._require("lenpen", math.isfinite(self.lenpen), "be finite")
        self._require("nbest", self.nbest <= self.beam, f"be at most `beam` ({self.beam})")
        self._require("sampling_topk", self.sampling_topk >= 0, "not be negative")
        self._require("sampling_topp", 0.0 <= self.sampling_topp <= 1.0, "lie between 0 and 1")
        only_one = not (self.sampling_topk and self.sampling_topp)
        self._require("sampling_topp", only_one, "be 0 beside `sampling_topk`")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"`{name}` must {rule}, but is {getattr(self, name)} instead.")

    def generator_args(self) -> Namespace:
        """Return the settings of fairseq's search; the lengths are those of fairseq-generate."""
        return Namespace(
            beam=self.beam,
            lenpen=self.lenpen,
            nbest=self.nbest,
            sampling=bool(self.sampling_topk or self.sampling_topp),
            sampling_topk=self.sampling_topk or -1,
            sampling_topp=self.sampling_topp or -1.0,
            max_len_a=0,
            max_len_b=200,
        )


def add_search_options(parser: ArgumentParser) -> None:
    """Add the flags that all commands share: how to search, and in which numbers."""
    parser.add_argument(
        "--beam",
        metavar="N",
        type=positive("--beam"),
        default=SearchOptions.beam,
        help=f"default: {SearchOptions.beam}",
    )
    parser.add_argument(
        "--lenpen",
        metavar="X",
        type=real("--lenpen"),
        default=SearchOptions.lenpen,
        help=f"exponent of the length by which a score is divided; default: {SearchOptions.lenpen}",
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="matrix products in 8 bits, on the CPU: rounded a little",
    )
