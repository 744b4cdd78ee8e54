"""One layer of the encoder and one of the decoder: residual sublayers around the mechanisms."""

from __future__ import annotations

from collections.abc import Callable

from fairseq import utils
from fairseq.models.transformer import TransformerConfig
from fairseq.modules import FairseqDropout, LayerNorm
from torch import Tensor, nn

from attn_nmt.functional.dropout import dropout
from attn_nmt.models.mechanisms import CROSS_ATTENTION, LayerConfig
from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.modules.incremental import IncrementalState
from attn_nmt.modules.linear import Linear

Sublayer = Callable[[Tensor], Tensor]


class Dropout(FairseqDropout):
    """fairseq's, which generation may be told to keep, by :func:`dropout`."""

    def forward(self, x: Tensor, inplace: bool = False) -> Tensor:
        """Return x with dropout in training, else x itself; it is never changed."""
        return (
            dropout(x, self.p) if self.p and (self.training or self.apply_during_inference) else x
        )


class TransformerLayer(nn.Module):
    """What both sides share (Vaswani et al. 2017): deformable, self-attention, feed-forward.

    ``deformable`` and ``self_attn`` are None where the layer has none, and so are their layer
    norms; ``self_attn`` may be a convolution.
    """

    def __init__(self, config: TransformerConfig, layer: LayerConfig) -> None:
        super().__init__()
        self.config = layer
        width, name = layer.embed_dim, type(self).__name__
        self.normalize_before = layer.normalize_before
        self.dropout_module = Dropout(config.dropout, module_name=name)
        self.activation_dropout_module = Dropout(config.activation_dropout, module_name=name)
        self.activation_fn = utils.get_activation_fn(config.activation_fn)
        self.deformable = layer.build("deformable")
        self.deformable_layer_norm = None if self.deformable is None else LayerNorm(width)
        self.self_attn = layer.build("self_attn")
        self.self_attn_layer_norm = None if self.self_attn is None else LayerNorm(width)
        self.fc1 = Linear(width, layer.ffn_embed_dim)
        self.fc2 = Linear(layer.ffn_embed_dim, width)
        self.context_broadcast = layer.build("context_broadcast")
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
        module, norm = self.self_attn, self.self_attn_layer_norm
        if module is None or norm is None:
            return x
        if isinstance(module, RelativeMultiheadAttention):
            options = {
                "key_padding_mask": padding_mask,
                "incremental_state": incremental_state,
                "attn_mask": attn_mask,
                "need_weights": False,
            }
            return self.residual(x, lambda y: module(y, **options)[0], norm)
        if attn_mask is not None:
            raise ValueError("`attn_mask` must be None where self-attention is a convolution.")
        return self.residual(x, lambda y: module(y, padding_mask, incremental_state), norm)

    def feed_forward(
        self,
        x: Tensor,
        padding_mask: Tensor | None,
        incremental_state: IncrementalState | None = None,
    ) -> Tensor:
        """Apply the feed-forward sublayer, with context broadcasting at its end: (L, B, C)."""

        def transform(y: Tensor) -> Tensor:
            # (L, B, C) -> (L, B, ffn_dim) -> (L, B, C)
            y = self.fc2(self.activation_dropout_module(self.activation_fn(self.fc1(y))))
            if self.context_broadcast is None:
                return y
            broadcast: Tensor = self.context_broadcast(y, padding_mask, incremental_state)
            return broadcast

        return self.residual(x, transform, self.final_layer_norm)


class EncoderLayer(TransformerLayer):
    """Deformable convolution, self-attention, feed-forward."""

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
    """The same, all causal, with encoder-decoder attention before the feed-forward sublayer."""

    def __init__(self, config: TransformerConfig, layer: LayerConfig) -> None:
        super().__init__(config, layer)
        attention = layer.build("encoder_attn")
        assert attention is not None, "a decoder layer has encoder-decoder attention"
        self.encoder_attn = attention
        has_norm = CROSS_ATTENTION.has_layer_norm(layer)
        self.encoder_attn_layer_norm = LayerNorm(layer.embed_dim) if has_norm else nn.Identity()

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
            - x, first output: (T, R, C), where R = B * n if n rows, of the same beam search, share
              a sentence, else B
            - encoder_out: (S, B, C); encoder_padding_mask: (B, S), True = padding
            - self_attn_mask: (T, T) beyond causality, which needs no mask; True = blocked
            - self_attn_padding_mask: (R, T), True = padding
            - second output: encoder-decoder weights (R, T, S), or (H, R, T, S) with
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
