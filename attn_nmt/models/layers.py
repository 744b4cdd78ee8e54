"""One layer of the encoder and one of the decoder: attention and feed-forward sublayers."""

from __future__ import annotations

from collections.abc import Callable

from fairseq import utils
from fairseq.models.transformer import TransformerConfig
from fairseq.modules import FairseqDropout, LayerNorm
from torch import Tensor, nn

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

    def residual(self, x: Tensor, sublayer: Callable[[Tensor], Tensor], norm: nn.Module) -> Tensor:
        """Return norm(x + dropout(sublayer(x))), or x + dropout(sublayer(norm(x))) if pre-norm."""
        if self.normalize_before:
            return x + self.dropout_module(sublayer(norm(x)))
        return norm(x + self.dropout_module(sublayer(x)))

    def feed_forward(self, x: Tensor) -> Tensor:
        """(L, B, C) -> (L, B, ffn_dim) -> (L, B, C)."""
        return self.fc2(self.activation_dropout_module(self.activation_fn(self.fc1(x))))


class EncoderLayer(TransformerLayer):
    """Self-attention, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        side = config.encoder
        super().__init__(config, side.ffn_embed_dim, normalize_before=side.normalize_before)
        self.self_attn = RelativeMultiheadAttention(
            side.embed_dim, side.attention_heads, dropout=config.attention_dropout
        )
        self.self_attn_layer_norm = LayerNorm(side.embed_dim)

    def forward(self, x: Tensor, encoder_padding_mask: Tensor | None) -> Tensor:
        """Encode one layer.

        Shape:
            - x, output: (S, B, C)
            - encoder_padding_mask: (B, S), True = padding
        """

        def attend(y: Tensor) -> Tensor:
            return self.self_attn(y, key_padding_mask=encoder_padding_mask, need_weights=False)[0]

        x = self.residual(x, attend, self.self_attn_layer_norm)
        return self.residual(x, self.feed_forward, self.final_layer_norm)

    def upgrade_state_dict_named(self, state_dict: dict[str, Tensor], name: str) -> None:
        """Called by fairseq for checkpoints of older versions; there are none yet."""


class DecoderLayer(TransformerLayer):
    """Causal self-attention, attention over the encoder's output, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        side = config.decoder
        super().__init__(config, side.ffn_embed_dim, normalize_before=side.normalize_before)
        heads, dropout = side.attention_heads, config.attention_dropout
        self.self_attn = RelativeMultiheadAttention(
            side.embed_dim, heads, dropout=dropout, causal=True
        )
        self.self_attn_layer_norm = LayerNorm(side.embed_dim)
        self.encoder_attn = RelativeMultiheadAttention(side.embed_dim, heads, dropout=dropout)
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

        def attend_target(y: Tensor) -> Tensor:
            return self.self_attn(
                y,
                key_padding_mask=self_attn_padding_mask,
                incremental_state=incremental_state,
                need_weights=False,
                attn_mask=self_attn_mask,
            )[0]

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

        x = self.residual(x, attend_target, self.self_attn_layer_norm)
        x = self.residual(x, attend_source, self.encoder_attn_layer_norm)
        return self.residual(x, self.feed_forward, self.final_layer_norm), weights, None
