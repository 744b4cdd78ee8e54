"""What the layers of both sides share: all but encoder-decoder attention."""

from __future__ import annotations

from collections.abc import Callable

from fairseq import utils
from fairseq.models.transformer import TransformerConfig
from fairseq.models.transformer.transformer_config import EncDecBaseConfig
from fairseq.modules import FairseqDropout, LayerNorm
from torch import Tensor, nn

from attn_nmt.models.layer_plan import LayerPlan
from attn_nmt.models.mechanisms import build_broadcast, build_deformable, build_self_attention
from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.modules.incremental import IncrementalState
from attn_nmt.modules.linear import Linear

Sublayer = Callable[[Tensor], Tensor]


class TransformerLayer(nn.Module):
    """Residual sublayers (Vaswani et al. 2017): deformable, self-attention, feed-forward.

    ``deformable`` and ``self_attn`` are None where the plan leaves them out, and so are their layer
    norms; ``self_attn`` may be a convolution.
    """

    def __init__(
        self, config: TransformerConfig, side: EncDecBaseConfig, plan: LayerPlan, *, causal: bool
    ) -> None:
        super().__init__()
        width, name = side.embed_dim, type(self).__name__
        self.normalize_before = side.normalize_before
        self.dropout_module = FairseqDropout(config.dropout, module_name=name)
        self.activation_dropout_module = FairseqDropout(config.activation_dropout, module_name=name)
        self.activation_fn = utils.get_activation_fn(config.activation_fn)
        self.deformable = build_deformable(side, plan, causal=causal)
        self.deformable_layer_norm = None if self.deformable is None else LayerNorm(width)
        self.self_attn = build_self_attention(config, side, plan, causal=causal)
        self.self_attn_layer_norm = None if self.self_attn is None else LayerNorm(width)
        self.fc1 = Linear(width, side.ffn_embed_dim)
        self.fc2 = Linear(side.ffn_embed_dim, width)
        self.context_broadcast = build_broadcast(side, plan, causal=causal)
        self.final_layer_norm = LayerNorm(width)

    def residual(self, x: Tensor, sublayer: Sublayer, norm: nn.Module) -> Tensor:
        """Return norm(x + dropout(sublayer(x))), or x + dropout(sublayer(norm(x))) if pre-norm."""
        if self.normalize_before:
            return x + self.dropout_module(sublayer(norm(x)))
        return norm(x + self.dropout_module(sublayer(x)))

    def deform(
        self,
        x: Tensor,
        padding_mask: Tensor | None,
        incremental_state: IncrementalState | None = None,
    ) -> Tensor:
        """Apply the deformable sublayer; without one, return ``x``.

        Shape:
            - x, output: (L, B, C)
            - padding_mask: (B, L), True = padding
        """
        convolve, norm = self.deformable, self.deformable_layer_norm
        if convolve is None or norm is None:
            return x
        return self.residual(x, lambda y: convolve(y, padding_mask, incremental_state), norm)

    def self_attention(
        self,
        x: Tensor,
        padding_mask: Tensor | None,
        incremental_state: IncrementalState | None = None,
        attn_mask: Tensor | None = None,
    ) -> Tensor:
        """Apply self-attention or the convolution in its place; without one, return ``x``.

        Shape:
            - x, output: (L, B, C)
            - padding_mask: (B, L), True = padding
            - attn_mask: (L, L), True = blocked, beyond causality, which needs no mask

        Raises:
            ValueError: if a convolution is given an ``attn_mask``, which it cannot follow.
        """
        mix, norm = self.self_attn, self.self_attn_layer_norm
        if mix is None or norm is None:
            return x
        if isinstance(mix, RelativeMultiheadAttention):
            options = {
                "key_padding_mask": padding_mask,
                "incremental_state": incremental_state,
                "attn_mask": attn_mask,
                "need_weights": False,
            }
            return self.residual(x, lambda y: mix(y, **options)[0], norm)
        if attn_mask is not None:
            raise ValueError("`attn_mask` must be None where self-attention is a convolution.")
        return self.residual(x, lambda y: mix(y, padding_mask, incremental_state), norm)

    def feed_forward(
        self,
        x: Tensor,
        padding_mask: Tensor | None,
        incremental_state: IncrementalState | None = None,
    ) -> Tensor:
        """Apply the feed-forward sublayer, at its end context broadcasting: (L, B, C)."""

        def transform(y: Tensor) -> Tensor:
            # (L, B, C) -> (L, B, ffn_dim) -> (L, B, C)
            y = self.fc2(self.activation_dropout_module(self.activation_fn(self.fc1(y))))
            if self.context_broadcast is None:
                return y
            return self.context_broadcast(y, padding_mask, incremental_state)

        return self.residual(x, transform, self.final_layer_norm)
