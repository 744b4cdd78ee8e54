"""One layer of the encoder and one of the decoder: attention and feed-forward sublayers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairseq import utils
from fairseq.models.transformer import TransformerConfig
from fairseq.models.transformer.transformer_config import EncDecBaseConfig
from fairseq.modules import FairseqDropout, LayerNorm
from torch import Tensor, nn

from attn_nmt.models.attention_plan import NO_SUBLAYER, LayerPlan
from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.modules.incremental import IncrementalState


class TransformerLayer(nn.Module):
    """What both sides share: residual sublayers and the feed-forward one (Vaswani et al. 2017)."""

    def __init__(self, config: TransformerConfig, ffn_dim: int, *, normalize_before: bool) -> None:
        super().__init__()
        width, name = config.encoder.embed_dim, type(self).__name__
        self.normalize_before = normalize_before
        self.dropout_module = FairseqDropout(config.dropout, module_name=name)
        self.activation_dropout_module = FairseqDropout(config.activation_dropout, module_name=name)
        self.activation_fn = utils.get_activation_fn(config.activation_fn)
        self.fc1 = nn.Linear(width, ffn_dim)
        self.fc2 = nn.Linear(ffn_dim, width)
        self.final_layer_norm = LayerNorm(width)

    def _build_self_attn(
        self, config: TransformerConfig, side: EncDecBaseConfig, plan: LayerPlan, *, causal: bool
    ) -> None:
        """Add ``self_attn`` and its layer norm; both are None where the plan has no sublayer."""
        self.self_attn: RelativeMultiheadAttention | None = None
        self.self_attn_layer_norm: nn.Module | None = None
        if plan.self_attn != NO_SUBLAYER:
            self.self_attn = RelativeMultiheadAttention(
                side.embed_dim,
                side.attention_heads,
                terms=plan.self_attn,
                dropout=config.attention_dropout,
                span=plan.span,
                causal=causal,
            )
            self.self_attn_layer_norm = LayerNorm(side.embed_dim)

    def residual(self, x: Tensor, sublayer: Callable[[Tensor], Tensor], norm: nn.Module) -> Tensor:
        """Return norm(x + dropout(sublayer(x))), or x + dropout(sublayer(norm(x))) if pre-norm."""
        if self.normalize_before:
            return x + self.dropout_module(sublayer(norm(x)))
        return norm(x + self.dropout_module(sublayer(x)))

    def self_attention(self, x: Tensor, **options: Any) -> Tensor:
        """Apply the self-attention sublayer; without one, return ``x``: (L, B, C) -> (L, B, C)."""
        attention, norm = self.self_attn, self.self_attn_layer_norm
        if attention is None or norm is None:
            return x
        return self.residual(x, lambda y: attention(y, need_weights=False, **options)[0], norm)

    def feed_forward(self, x: Tensor) -> Tensor:
        """(L, B, C) -> (L, B, ffn_dim) -> (L, B, C)."""
        return self.fc2(self.activation_dropout_module(self.activation_fn(self.fc1(x))))


class EncoderLayer(TransformerLayer):
    """Self-attention, then feed-forward."""

    def __init__(self, config: TransformerConfig, plan: LayerPlan) -> None:
        side = config.encoder
        super().__init__(config, side.ffn_embed_dim, normalize_before=side.normalize_before)
        self._build_self_attn(config, side, plan, causal=False)

    def forward(self, x: Tensor, encoder_padding_mask: Tensor | None) -> Tensor:
        """Encode one layer.

        Shape:
            - x, output: (S, B, C)
            - encoder_padding_mask: (B, S), True = padding
        """
        x = self.self_attention(x, key_padding_mask=encoder_padding_mask)
        return self.residual(x, self.feed_forward, self.final_layer_norm)

    def upgrade_state_dict_named(self, state_dict: dict[str, Tensor], name: str) -> None:
        """Called by fairseq for checkpoints of older versions; there are none yet."""


class DecoderLayer(TransformerLayer):
    """Causal self-attention, attention over the encoder's output, then feed-forward."""

    def __init__(self, config: TransformerConfig, plan: LayerPlan) -> None:
        side = config.decoder
        super().__init__(config, side.ffn_embed_dim, normalize_before=side.normalize_before)
        self._build_self_attn(config, side, plan, causal=True)
        self.encoder_attn = RelativeMultiheadAttention(
            side.embed_dim,
            side.attention_heads,
            terms=plan.cross_attn,
            dropout=config.attention_dropout,
        )
        self.encoder_attn_layer_norm = LayerNorm(side.embed_dim)

    def forward(
        self,
        x: Tensor,
        encoder_out: Tensor,
        encoder_padding_mask: Tensor | None = None,
        incremental_state: IncrementalState | None = None,
        self_attn_mask: Tensor | None = None,
        self_attn_padding_mask: Tensor | None = None,
        need_attn: bool = False,
        need_head_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, None]:
        """Decode one layer, the whole target or the tokens that follow ``incremental_state``.

        Shape:
            - x, first output: (T, B, C)
            - encoder_out: (S, B, C); encoder_padding_mask: (B, S), True = padding
            - self_attn_mask: (T, T) beyond causality, which needs no mask; True = blocked
            - self_attn_padding_mask: (B, T), True = padding
            - second output: encoder-decoder weights (B, T, S), or (H, B, T, S) with
              ``need_head_weights``, or None; the third is always None, as fairseq unpacks three
        """
        weights: Tensor | None = None

        def attend_source(y: Tensor) -> Tensor:
            nonlocal weights
            y, weights = self.encoder_attn(
                y,
                encoder_out,
                key_padding_mask=encoder_padding_mask,
                incremental_state=incremental_state,
                static_kv=True,
                need_weights=need_attn,
                need_head_weights=need_head_weights,
            )
            return y

        x = self.self_attention(
            x,
            key_padding_mask=self_attn_padding_mask,
            incremental_state=incremental_state,
            attn_mask=self_attn_mask,
        )
        x = self.residual(x, attend_source, self.encoder_attn_layer_norm)
        return self.residual(x, self.feed_forward, self.final_layer_norm), weights, None
