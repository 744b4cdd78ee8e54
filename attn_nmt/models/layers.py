"""One layer of the encoder and one of the decoder."""

from __future__ import annotations

from fairseq.models.transformer import TransformerConfig
from fairseq.modules import LayerNorm
from torch import Tensor

from attn_nmt.models.layer_plan import LayerPlan
from attn_nmt.models.sublayers import TransformerLayer
from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.modules.incremental import IncrementalState


class EncoderLayer(TransformerLayer):
    """Deformable convolution, self-attention, feed-forward."""

    def __init__(self, config: TransformerConfig, plan: LayerPlan) -> None:
        super().__init__(config, config.encoder, plan, causal=False)

    def forward(self, x: Tensor, encoder_padding_mask: Tensor | None) -> Tensor:
        """Encode one layer.

        Shape:
            - x, output: (S, B, C)
            - encoder_padding_mask: (B, S), True = padding
        """
        x = self.deform(x, encoder_padding_mask)
        x = self.self_attention(x, encoder_padding_mask)
        return self.feed_forward(x, encoder_padding_mask)

    def upgrade_state_dict_named(self, state_dict: dict[str, Tensor], name: str) -> None:
        """Called by fairseq for checkpoints of older versions; there are none yet."""


class DecoderLayer(TransformerLayer):
    """The same, all of it causal, with attention over the encoder's output before the last."""

    def __init__(self, config: TransformerConfig, plan: LayerPlan) -> None:
        side = config.decoder
        super().__init__(config, side, plan, causal=True)
        self.encoder_attn = RelativeMultiheadAttention(
            side.embed_dim,
            side.attention_heads,
            terms=plan.cross_attn_terms,
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

        x = self.deform(x, self_attn_padding_mask, incremental_state)
        x = self.self_attention(x, self_attn_padding_mask, incremental_state, self_attn_mask)
        x = self.residual(x, attend_source, self.encoder_attn_layer_norm)
        return self.feed_forward(x, self_attn_padding_mask, incremental_state), weights, None
