"""The names for ``--arch``: a mechanism and a size; a flag on the command line overrides both."""

from __future__ import annotations

from typing import Any

from fairseq.models import register_model_architecture

from attn_nmt.models import attn_transformer  # noqa: F401  registers the model first
from attn_nmt.models.mechanisms import NO_SUBLAYER, SELF_ATTENTION, SIDES
from attn_nmt.terms import ALL_TERMS

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"embed_dim": 128, "ffn_embed_dim": 512, "layers": 2, "attention_heads": 4},
    "iwslt_de_en": {"embed_dim": 512, "ffn_embed_dim": 1024, "layers": 6, "attention_heads": 4},
    # Transformer-base (Vaswani et al. 2017), the size of the paper's Section 4.
    "wmt_en_de": {"embed_dim": 512, "ffn_embed_dim": 2048, "layers": 6, "attention_heads": 8},
}


def both_sides(size: str) -> dict[str, int]:
    """Return the widths of a size as flags of fairseq's models, by name."""
    return {f"{side}_{name}": number for side in SIDES for name, number in SIZES[size].items()}


def _register(arch: str, defaults: dict[str, Any]) -> None:
    @register_model_architecture("attn_transformer", arch)
    def fill_in(args: Any) -> None:
        for name, value in defaults.items():
            if getattr(args, name, None) is None:
                setattr(args, name, value)


# Every row of the paper's Figure 3 and tables: attn0110_wmt_en_de, attnnone_tiny, ...
ATTENTION: dict[str, dict[str, Any]] = {
    "attn_transformer": {},
    **{f"attn{terms}": {"self_attn_terms": terms} for terms in (*ALL_TERMS, NO_SUBLAYER)},
}
MECHANISMS: dict[str, dict[str, Any]] = {
    **ATTENTION,
    # "Transformer + Deformable", Figure 2 (c), with the kernel size of the paper.
    **{
        f"{name}_deformable": {**flags, "deformable_kernel_size": 3}
        for name, flags in ATTENTION.items()
    },
    # What stands in place of attention: attn_transformer_dynamic, attn_transformer_lightweight.
    **{
        f"attn_transformer_{kind}": {"self_attn_type": kind}
        for kind in SELF_ATTENTION
        if kind not in ("relative", NO_SUBLAYER)
    },
}


for _mechanism, _flags in MECHANISMS.items():
    for _size in SIZES:
        _register(f"{_mechanism}_{_size}", {**both_sides(_size), **_flags})
