"""The translation model: fairseq's Transformer with relative attention in place of positions."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import torch
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.distributed import fsdp_wrap
from fairseq.logging import metrics
from fairseq.models import register_model
from fairseq.models.transformer import (
    TransformerConfig,
    TransformerDecoderBase,
    TransformerEncoderBase,
    TransformerModelBase,
)
from fairseq.modules.checkpoint_activations import checkpoint_wrapper
from torch import Tensor, nn

from attn_nmt.command_line import FlagError, UsageError
from attn_nmt.models.compilation import compile_layer, eager_unless_training
from attn_nmt.models.config import AttnTransformerConfig
from attn_nmt.models.layers import DecoderLayer, Dropout, EncoderLayer
from attn_nmt.modules import DeformableConv1d
from attn_nmt.modules.int8 import Int8Product, quantize_
from attn_nmt.modules.kv_cache import rows_after_reorder
from attn_nmt.modules.linear import linear

EncoderOut = dict[str, list[Tensor]]

# A number that no layer has, so that fairseq asks none for its weights.
_NO_LAYER = -1


class AttnEncoder(TransformerEncoderBase):
    """Source tokens (B, S) -> memory (S, B, C), with the padding moved to the right.

    fairseq pads the source on the left by default. Encoder-decoder attention counts positions from
    the start of the sentence, so a translation would otherwise depend on its neighbours' lengths.
    """

    def __init__(self, cfg: TransformerConfig, dictionary: Any, embed_tokens: nn.Module) -> None:
        # fairseq's constructor builds the layers one by one, without their numbers.
        self._layer_configs = iter(cfg.layer_configs["encoder"])
        super().__init__(cfg, dictionary, embed_tokens)
        self.dropout_module = Dropout(cfg.dropout, type(self).__name__)

    def build_encoder_layer(self, cfg: TransformerConfig) -> nn.Module:
        """Build one layer; called by fairseq's constructor."""
        return _wrap(EncoderLayer(cfg, next(self._layer_configs)), cfg)

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Tensor | None = None,
        return_all_hiddens: bool = False,
    ) -> EncoderOut:
        """Encode a batch; see :class:`fairseq.models.transformer.TransformerEncoderBase`.

        Shape:
            - src_tokens: (B, S), padded with the dictionary's pad on one side, either one
            - encoder_out: (S, B, C), encoder_padding_mask: (B, S), both with padding on the right
        """
        shift = _left_padding(src_tokens.eq(self.padding_idx))
        aligned = src_tokens.gather(1, _rolled_columns(src_tokens, shift))
        with eager_unless_training(self):
            encoder_out: EncoderOut = super().forward(aligned, src_lengths, return_all_hiddens)
        # The decoder returns its weights in the caller's layout.
        encoder_out["src_tokens"] = [src_tokens]
        return encoder_out

    def reorder_encoder_out(self, encoder_out: EncoderOut, new_order: Tensor) -> EncoderOut:
        """Follow a beam search; all beams of a sentence share its memory, (S, B, C).

        "rows_per_sentence" is how many beams each sentence of the result stands for.
        """
        (old_rows,) = encoder_out.get("rows_per_sentence", [torch.tensor(1)])
        sentences = encoder_out["encoder_out"][0].size(1)
        kept, rows = rows_after_reorder(new_order, int(old_rows), sentences)
        if kept is not None:
            encoder_out = super().reorder_encoder_out(encoder_out, kept)
        return {**encoder_out, "rows_per_sentence": [torch.tensor(rows)]}


class AttnDecoder(TransformerDecoderBase):
    """Target tokens (B, T) and memory -> logits (B, T, V).

    The encoder-decoder weights of the last layer, which fairseq would compute in every forward
    pass, cost a slower way through its attention, and are computed where somebody asks for them.
    """

    learns_alignment = False
    """Whether they are computed in training, for a loss that reads them (--load-alignments)."""
    needs_alignment = True
    """Whether they are computed in evaluation; fairseq-generate turns it off without
    --print-alignment."""
    int8: Int8Product | None = None

    def __init__(self, cfg: TransformerConfig, dictionary: Any, embed_tokens: nn.Module) -> None:
        self._layer_configs = iter(cfg.layer_configs["decoder"])
        super().__init__(cfg, dictionary, embed_tokens)
        self.dropout_module = Dropout(cfg.dropout, type(self).__name__)

    def build_decoder_layer(
        self, cfg: TransformerConfig, no_encoder_attn: bool = False
    ) -> nn.Module:
        """Build one layer; called by fairseq's constructor."""
        return _wrap(DecoderLayer(cfg, next(self._layer_configs)), cfg)

    def output_layer(self, features: Tensor) -> Tensor:
        """Return the logits: (B, T, C) -> (B, T, V)."""
        if type(getattr(self, "output_projection", None)) is not nn.Linear:
            output: Tensor = super().output_layer(features)
            return output
        projection = self.output_projection
        return linear(features, projection.weight, projection.bias, self.int8)

    def quantize_(self) -> None:
        """Compute the logits in 8 bits from now on where no gradient is asked for."""
        if type(getattr(self, "output_projection", None)) is nn.Linear:
            self.int8 = Int8Product(self.output_projection.weight, self.output_projection.bias)

    def upgrade_state_dict_named(self, state_dict: dict[str, Tensor], name: str) -> None:
        """Drop layer norms that version 0.1 kept where nothing reads what they normalise."""
        super().upgrade_state_dict_named(state_dict, name)
        for number, layer in enumerate(self.layers):
            if isinstance(layer.encoder_attn_layer_norm, nn.Identity):
                for key in ("weight", "bias"):
                    state_dict.pop(f"{name}.layers.{number}.encoder_attn_layer_norm.{key}", None)

    def make_generation_fast_(self, need_attn: bool = True, **options: Any) -> None:
        """Learn what is asked for; called by fairseq's ``prepare_for_inference_``."""
        self.needs_alignment = bool(need_attn)

    def buffered_future_mask(self, tensor: Tensor) -> None:
        """No mask to build: the attention modules are causal themselves."""

    def extract_features(
        self,
        prev_output_tokens: Tensor,
        encoder_out: EncoderOut,
        incremental_state: Any = None,
        full_context_alignment: bool = False,
        alignment_layer: int | None = None,
        alignment_heads: int | None = None,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Return features (B, T, C), and under "attn" the weights (B, T, S) over ``src_tokens``.

        They are None where nobody asks for them; ``alignment_layer`` does.
        """
        if full_context_alignment:
            raise ValueError(
                "--full-context-alignment must be off, since these decoders are always causal, "
                "but is True instead."
            )
        is_asked = self.learns_alignment if self.training else self.needs_alignment
        if alignment_layer is None and not is_asked:
            alignment_layer = _NO_LAYER
        with eager_unless_training(self):
            x, extra = super().extract_features(
                prev_output_tokens,
                encoder_out,
                incremental_state,
                alignment_layer=alignment_layer,
                alignment_heads=alignment_heads,
            )
        if encoder_out["src_tokens"] and extra["attn"][0] is not None:
            shift = _left_padding(encoder_out["src_tokens"][0].eq(self.padding_idx))
            shift = shift.repeat_interleave(len(prev_output_tokens) // len(shift), dim=0)
            extra["attn"] = [_pad_left(weights, shift) for weights in extra["attn"]]
        return x, extra


class OffsetLog:
    """``--log-offsets``: how far the taps of deformable convolutions move, in fairseq's log.

    fairseq prints every ``--log-interval``, averaged over the updates since the last time:
    ``offset_mean`` and ``offset_max``, the mean and the largest absolute offset in tokens, and
    ``offset_outside``, the part of the taps' weight that falls outside the sentence or, in the
    decoder, on later tokens. With several processes, those of the first one.
    """

    def __init__(self, model: nn.Module) -> None:
        self._convolutions = [m for m in model.modules() if isinstance(m, DeformableConv1d)]
        for module in self._convolutions:
            module.records_statistics = True

    def write(self) -> None:
        """Log the statistics of the last forward pass."""
        recorded = [m.statistics for m in self._convolutions if m.statistics is not None]
        for layer in recorded:
            metrics.log_scalar("offset_mean", layer.mean, layer.count, priority=500, round=4)
            metrics.log_scalar("offset_outside", layer.outside, layer.count, priority=502, round=4)
        if recorded:
            largest = torch.stack([layer.maximum for layer in recorded]).max()
            metrics.log_scalar("offset_max", largest, priority=501, round=4)


@register_model("attn_transformer", dataclass=AttnTransformerConfig)
class AttnTransformerModel(TransformerModelBase):
    """Encoder and decoder with relative attention; no absolute positions anywhere."""

    offset_log: OffsetLog | None = None
    translates_in_int8 = False

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Offer the fields of the dataclass as flags; the architecture fills in what is left."""
        gen_parser_from_dataclass(parser, AttnTransformerConfig(), delete_default=True)

    @classmethod
    def check_flags(cls, flags: Any) -> AttnTransformerConfig:
        """Return what a namespace or a fairseq configuration says about the model.

        Raises:
            FlagError: if a flag breaks its rule.
        """
        try:
            return AttnTransformerConfig.from_mapping(flags)
        except ValueError as error:
            raise FlagError(str(error)) from None

    @classmethod
    def build_model(cls, cfg: Any, task: Any) -> AttnTransformerModel:
        """Build from a fairseq configuration.

        Raises:
            FlagError: if a flag breaks its rule; nothing is built then.
        """
        config = cls.check_flags(cfg)
        if getattr(task.cfg, "left_pad_target", False):
            raise FlagError(
                "--left-pad-target must be False, since the decoder counts target positions "
                "from the left, but is True instead."
            )
        model: AttnTransformerModel = super().build_model(config.to_transformer_config(), task)
        model.decoder.learns_alignment = bool(getattr(task.cfg, "load_alignments", False))
        model.translates_in_int8 = config.int8
        if config.log_offsets:
            model.offset_log = OffsetLog(model)
        return model

    def load_state_dict(self, state_dict: dict[str, Tensor], *args: Any, **options: Any) -> Any:
        """Load weights; called by fairseq for every checkpoint.

        Raises:
            UsageError: if they are of a model with another vocabulary.
        """
        for side, part in (("encoder", self.encoder), ("decoder", self.decoder)):
            found, symbols = state_dict.get(f"{side}.embed_tokens.weight"), len(part.dictionary)
            if found is not None and len(found) != symbols:
                raise UsageError(
                    f"The data must have the vocabulary that the model was trained with, but the "
                    f"{side}'s dictionary has {symbols} symbols, and the checkpoint {len(found)}."
                )
        return super().load_state_dict(state_dict, *args, **options)

    def prepare_for_inference_(self, cfg: Any) -> None:
        """Apply --int8; called by fairseq-generate when the weights are where they will be used.

        Raises:
            FlagError: if there are no 8-bit products there.
        """
        super().prepare_for_inference_(cfg)
        if self.translates_in_int8:
            try:
                quantize_(self)
            except ValueError as error:
                off = "--model-overrides \"{'int8': False}\""
                raise FlagError(f"--int8 must be off here ({off}): {error}") from None

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Translate with the target given; see fairseq's ``TransformerModelBase.forward``."""
        output = super().forward(*inputs, **options)
        if self.offset_log is not None and self.training:
            self.offset_log.write()
        return output

    @classmethod
    def build_encoder(cls, cfg: TransformerConfig, src_dict: Any, embed_tokens: Any) -> AttnEncoder:
        """Build the encoder; called by fairseq's ``build_model``."""
        return AttnEncoder(cfg, src_dict, embed_tokens)

    @classmethod
    def build_decoder(cls, cfg: TransformerConfig, tgt_dict: Any, embed_tokens: Any) -> AttnDecoder:
        """Build the decoder; called by fairseq's ``build_model``."""
        return AttnDecoder(cfg, tgt_dict, embed_tokens)


def _wrap(layer: nn.Module, cfg: TransformerConfig) -> nn.Module:
    """Apply --compile-layers, --checkpoint-activations, and FSDP where fairseq has it on."""
    if cfg.compile_layers:
        compile_layer(layer)
    if cfg.checkpoint_activations:
        layer = checkpoint_wrapper(layer)
        return fsdp_wrap(layer, min_num_params=0)
    return fsdp_wrap(layer, min_num_params=cfg.min_params_to_wrap)


def _left_padding(is_pad: Tensor) -> Tensor:
    """Return how many tokens of padding each row begins with: (B, S) -> (B, 1).

    Nothing here depends on whether there is any, which a GPU would have to be asked.
    """
    return is_pad.cumprod(1).sum(1, keepdim=True)


def _rolled_columns(x: Tensor, shift: Tensor) -> Tensor:
    """Return where the columns of ``x`` come from if each row moves left by ``shift``.

    Shape:
        - x, output: (B, S); shift: (B, 1)
    """
    # (S) + (B, 1) = (B, S)
    return (torch.arange(x.size(1), device=x.device) + shift).remainder(x.size(1))


def _pad_left(weights: Tensor, shift: Tensor) -> Tensor:
    """Move the columns of ``weights`` (B, T, S) to the right by ``shift`` (B, 1)."""
    return weights.gather(2, _rolled_columns(weights[:, 0], -shift).unsqueeze(1).expand_as(weights))
