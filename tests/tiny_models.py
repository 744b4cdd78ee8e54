"""Small models over a small vocabulary, built the way fairseq builds them."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY, build_model
from omegaconf import OmegaConf

import attn_nmt.models  # noqa: F401  registers the architectures
from attn_nmt.models.config import AttnTransformerConfig

SYMBOLS = 20


class Task:
    """What ``build_model`` asks of a task."""

    def __init__(self, left_pad_target: bool = False) -> None:
        self.cfg = Namespace(left_pad_target=left_pad_target)
        self.source_dictionary = self.target_dictionary = Dictionary()
        for number in range(SYMBOLS):
            self.source_dictionary.add_symbol(f"w{number}")


def build(
    arch: str = "attn_transformer_tiny", *, dtype: torch.dtype = torch.float64, **flags: Any
) -> Any:
    """Build ``--arch`` with its defaults and the flags given, in evaluation mode."""
    assert arch in ARCH_MODEL_REGISTRY
    given = Namespace(**flags)
    ARCH_CONFIG_REGISTRY[arch](given)
    values = {**vars(AttnTransformerConfig()), **vars(given), "_name": arch}
    task = Task()
    torch.manual_seed(3)
    return build_model(OmegaConf.create(values), task).to(dtype).eval()


def sentences(*lengths: int, seed: int = 0) -> list[torch.Tensor]:
    """Return random sentences, each ended by </s>."""
    generator = torch.Generator().manual_seed(seed)
    first, eos = 4, 2
    return [
        torch.cat((torch.randint(first, first + SYMBOLS, (n,), generator=generator),
                   torch.tensor([eos])))
        for n in lengths
    ]  # fmt: skip
