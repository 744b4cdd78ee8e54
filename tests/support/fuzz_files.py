"""Random damage to checkpoints, data cards and grid files: refused in a sentence, or harmless."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from fairseq.tasks.translation import TranslationConfig

from attn_nmt.checkpoints import load_checkpoint
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import FILE_NAME, DataCard
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.study.grids.grid_files import read_grid
from support.tiny_models import build

TEXTS = ("", "x", "${oc.env:HOME}", "__import__('os').abort()", "\x00", "9" * 400, "../../etc")
VALUES: tuple[Any, ...] = (
    *TEXTS,
    None,
    True,
    -1,
    10**6,
    10**18,
    10**400,
    0.5,
    float("nan"),
    float("inf"),
    [],
    [[[]]],
    [1] * 20_000,
    {},
    {"a": {"b": 1}},
)


def checkpoint() -> dict[str, Any]:
    """Return what fairseq-train writes for a small model."""
    sizes = {"embed_dim": 8, "ffn_embed_dim": 8, "layers": 1, "attention_heads": 2}
    flags: dict[str, Any] = {
        f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in sizes.items()
    }
    model = build(**flags, dtype=torch.float32)
    settings = {**vars(AttnTransformerConfig(**flags)), "_name": "attn_transformer_tiny"}
    return {
        "args": None,
        "cfg": {
            "common": {"seed": 1, "user_dir": "attn_nmt"},
            "optimization": {"max_update": 10, "lr": [0.001]},
            "checkpoint": {"best_checkpoint_metric": "loss"},
            "model": settings,
            "task": {**asdict(TranslationConfig()), "_name": "translation", "data": "data-bin"},
        },
        "model": model.state_dict(),
        "optimizer_history": [{"num_updates": 10, "optimizer_name": "FairseqAdam"}],
        "extra_state": {"train_iterator": {"epoch": 2, "iterations_in_epoch": 5}},
        "last_optimizer_state": {"state": {0: {"exp_avg": torch.ones(3)}}},
        "task_state": {},
    }


def damage(data: bytes, rng: random.Random) -> bytes:
    """Flip a bit, cut off the end, or overwrite, repeat or remove a piece."""
    start = rng.randrange(len(data))
    piece = slice(start, start + rng.choice((1, 10, 1000)))
    kind = rng.randrange(5)
    if kind == 0:
        flipped = bytearray(data)
        flipped[start] ^= 1 << rng.randrange(8)
        return bytes(flipped)
    if kind == 1:
        return data[:start]
    if kind == 2:
        return data[:start] + rng.randbytes(len(data[piece])) + data[piece.stop :]
    if kind == 3:
        return data[:start] + data[piece] + data[start:]
    return data[:start] + data[piece.stop :]


def tamper(content: Any, rng: random.Random) -> Any:
    """Return a copy in which one value, or the name of one, is another."""
    content = copy.deepcopy(content)
    owner = content
    while True:
        keys = list(owner) if isinstance(owner, dict) else list(range(len(owner)))
        if not keys:
            return content
        key = rng.choice(keys)
        inner = owner[key]
        if isinstance(inner, (dict, list)) and inner and rng.random() < 0.9:
            owner = inner
            continue
        if isinstance(owner, dict) and rng.random() < 0.1:
            owner[rng.choice((None, 3, "x" * 1000, "__class__"))] = owner.pop(key)
        else:
            owner[key] = rng.choice(VALUES)
        return content


def try_checkpoint(directory: Path, rng: random.Random) -> bool:
    """Return whether a damaged checkpoint was accepted, and then as it was.

    Raises:
        AssertionError: if it was accepted with other weights.
    """
    path = directory / "checkpoint.pt"
    state = checkpoint()
    torch.save(state, path)
    path.write_bytes(damage(path.read_bytes(), rng))
    if not _accepted(lambda: load_checkpoint(path)):
        return False
    loaded = load_checkpoint(path)
    for name, tensor in state["model"].items():
        assert torch.equal(loaded["model"][name], tensor), f"{name} was changed unnoticed"
    return True


def try_settings(directory: Path, rng: random.Random) -> bool:
    """Return whether a checkpoint with other settings was accepted.

    Raises:
        AssertionError: if a setting has another type than before.
    """
    path = directory / "checkpoint.pt"
    state = checkpoint()
    changed = tamper({"cfg": state["cfg"]}, rng)
    torch.save({**state, **changed}, path)
    if not _accepted(lambda: load_checkpoint(path)):
        return False
    loaded = load_checkpoint(path)["cfg"] or {}
    for name, value in (loaded.get("model") or {}).items():
        before = state["cfg"]["model"][name]
        same = type(value) is type(before) or {type(value), type(before)} == {int, float}
        assert same or None in (value, before), f"{name} became {value!r}"
    return True


def try_parts(directory: Path, rng: random.Random) -> bool:
    """Return whether a checkpoint with another part beside model and settings was accepted."""
    path = directory / "checkpoint.pt"
    state = checkpoint()
    parts = ("optimizer_history", "extra_state", "args", "model")
    part = rng.choice(parts)
    torch.save({**state, part: rng.choice(VALUES)}, path)
    return _accepted(lambda: load_checkpoint(path))


def try_card(directory: Path, rng: random.Random) -> bool:
    """Return whether a data card with another value, or damaged text, was accepted."""
    card = DataCard("own", "en", "de", "subword-nmt", {}, {"train": 5}, {}, 30, {}, {})
    path = directory / FILE_NAME
    text = json.dumps(tamper(asdict(card), rng))
    data = text.encode()
    path.write_bytes(damage(data, rng) if rng.random() < 0.3 else data)
    return _accepted(lambda: DataCard.read(directory))


def try_grid(directory: Path, rng: random.Random) -> bool:
    """Return whether a grid file with another value, or damaged text, was accepted."""
    grid = {
        "base": {"deformable_kernel_size": 3},
        "vary": {"self_attn_terms": ["1111", "0110"], "encoder_layers": [2, 4]},
    }
    path = directory / "grid.yaml"
    # JSON is YAML.
    data = json.dumps(tamper(grid, rng)).encode()
    path.write_bytes(damage(data, rng) if rng.random() < 0.5 else data)
    return _accepted(lambda: read_grid(str(path)))


def _accepted(read: Callable[[], object]) -> bool:
    """Return False if the file was refused in one sentence; anything else is raised."""
    try:
        read()
    except UsageError as error:
        assert "\n" not in str(error), f"more than a line: {error}"
        assert len(str(error)) < 1000, "a sentence of more than 1,000 characters"
        return False
    return True


KINDS = (try_checkpoint, try_settings, try_parts, try_card, try_grid)
