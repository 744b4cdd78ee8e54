"""The names for ``--arch``: each is a size; a flag given on the command line wins over it."""

from __future__ import annotations

from typing import Any

from fairseq.models import register_model_architecture

from attn_nmt.models import attn_transformer  # noqa: F401  registers the model first

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"embed_dim": 128, "ffn_embed_dim": 512, "layers": 2, "attention_heads": 4},
    "iwslt_de_en": {"embed_dim": 512, "ffn_embed_dim": 1024, "layers": 6, "attention_heads": 4},
    # Transformer-base (Vaswani et al. 2017), the size of the paper's Section 4.
    "wmt_en_de": {"embed_dim": 512, "ffn_embed_dim": 2048, "layers": 6, "attention_heads": 8},
}


def _register(arch: str, defaults: dict[str, Any]) -> None:
    @register_model_architecture("attn_transformer", arch)
    def fill_in(args: Any) -> None:
        for name, value in defaults.items():
            if getattr(args, name, None) is None:
                setattr(args, name, value)


for _size, _widths in SIZES.items():
    _both_sides = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in _widths.items()
    }
    _register(f"attn_transformer_{_size}", _both_sides)
