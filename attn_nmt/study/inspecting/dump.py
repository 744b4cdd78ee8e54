"""All arrays as one npz, with names that say what they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from attn_nmt.atomic import replacing
from attn_nmt.study.inspecting.panel import Panel
from attn_nmt.study.inspecting.sentence import Sentence


def write_arrays(path: Path, panels: Sequence[Panel], sentence: Sentence) -> None:
    """Write an npz that ``numpy.load`` reads without pickles.

    The arrays of a sublayer are named by its module and what they hold, such as
    ``decoder.layers.0.encoder_attn.energy.query_key``; the tokens are ``source_tokens``,
    ``input_tokens`` (what the decoder reads) and ``target_tokens`` (what it is to say).
    """
    arrays = {
        f"{panel.path}.{name}": values for panel in panels for name, values in panel.arrays.items()
    }
    words = {
        "text": sentence.text,
        "translation": sentence.translation,
        "source_tokens": sentence.source_tokens,
        "input_tokens": sentence.input_tokens,
        "target_tokens": sentence.target_tokens,
    }
    arrays |= {name: np.array(value) for name, value in words.items()}
    # A file and no path: numpy would give the name another ending.
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
