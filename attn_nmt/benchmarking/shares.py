"""Where the time of a search goes: in fairseq's own parts, which no model can save, or in ours."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attn_nmt.benchmarking.models import Model
from attn_nmt.benchmarking.timing import finish, seconds
from attn_nmt.benchmarking.work import Sizes, searching


def search_shares(model: Model, sizes: Sizes) -> dict[str, float]:
    """Return the shares of the time of one search; "search" is what is left, fairseq's own."""
    built, step = searching(model, sizes)
    step()
    spent = dict.fromkeys(("encoder", "decoder layers", "output layer", "reordering"), 0.0)
    for owner, method, part in (
        (built.encoder, "forward", "encoder"),
        (built.encoder, "reorder_encoder_out", "reordering"),
        (built.decoder, "reorder_incremental_state_scripting", "reordering"),
        (built.decoder, "extract_features", "decoder layers"),
        (built.decoder, "output_layer", "output layer"),
    ):
        setattr(owner, method, _timed(getattr(owner, method), spent, part))
    total = seconds(step)
    shares = {part: value / total for part, value in spent.items()}
    return {**shares, "search": 1.0 - sum(shares.values())}


def _timed(method: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        finish()
        start = time.perf_counter()
        result = method(*arguments, **options)
        finish()
        spent[part] += time.perf_counter() - start
        return result

    return timed
