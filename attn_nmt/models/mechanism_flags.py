"""The flags of the mechanisms, on top of those of the stack."""

# No "from __future__ import annotations" here: fairseq reads the types of the fields.
from dataclasses import dataclass, field
from typing import Optional

from fairseq.dataclass import ChoiceEnum

from attn_nmt.models.stack_flags import StackFlags

NO_SUBLAYER = "none"
SELF_ATTN_TYPES = ("relative", "dynamic", "lightweight", NO_SUBLAYER)
CONTEXT_BROADCASTS = ("none", "plain", "scaled")
# A bool whose default is True would become a flag that switches it off.
ON_OFF = ("on", "off")

SelfAttnType = ChoiceEnum(list(SELF_ATTN_TYPES))
ContextBroadcastType = ChoiceEnum(list(CONTEXT_BROADCASTS))
OnOff = ChoiceEnum(list(ON_OFF))


@dataclass
class MechanismFlags(StackFlags):
    """What a layer mixes its positions with; :mod:`attn_nmt.models.layer_plan` resolves it."""

    self_attn_terms: str = field(
        default="1111",
        metadata={
            "help": "terms of self-attention: four bits for query-key, query-position, key-only "
            "and position-only; or none for no sublayer; or a comma list with one entry a layer"
        },
    )
    encoder_self_attn_terms: Optional[str] = field(
        default=None, metadata={"help": "the same for the encoder only; wins"}
    )
    decoder_self_attn_terms: Optional[str] = field(
        default=None, metadata={"help": "the same for the decoder only; wins"}
    )
    cross_attn_terms: str = field(
        default="1111",
        metadata={
            "help": "terms of encoder-decoder attention: four bits, or a comma list with one entry "
            "a decoder layer"
        },
    )
    self_attn_type: SelfAttnType = field(  # type: ignore[valid-type]
        default="relative",
        metadata={"help": "what self-attention is made of; none leaves out the sublayer"},
    )
    encoder_self_attn_type: Optional[SelfAttnType] = field(  # type: ignore[valid-type]
        default=None, metadata={"help": "the same for the encoder only; wins"}
    )
    decoder_self_attn_type: Optional[SelfAttnType] = field(  # type: ignore[valid-type]
        default=None, metadata={"help": "the same for the decoder only; wins"}
    )
    self_attn_span: int = field(
        default=0,
        metadata={
            "help": "odd number of tokens that self-attention reaches over, centred on the query, "
            "in the decoder ending with it; 0 for no limit"
        },
    )
    conv_kernel_sizes: str = field(
        default="31",
        metadata={
            "help": "taps of dynamic and lightweight convolution, in tokens: one number, or a "
            "comma list with one entry a layer"
        },
    )
    conv_heads: int = field(
        default=16,
        metadata={"help": "kernels of such a convolution; must divide the width"},
    )
    conv_glu: OnOff = field(  # type: ignore[valid-type]
        default="on", metadata={"help": "gate the input of such a convolution"}
    )
    deformable_kernel_size: int = field(
        default=0,
        metadata={
            "help": "taps of a deformable convolution before self-attention, in tokens; 0 for none"
        },
    )
    encoder_deformable_kernel_size: Optional[int] = field(
        default=None, metadata={"help": "the same for the encoder only; wins"}
    )
    decoder_deformable_kernel_size: Optional[int] = field(
        default=None, metadata={"help": "the same for the decoder only; wins"}
    )
    deformable_offset_lr_scale: float = field(
        default=0.1,
        metadata={"help": "learning rate of the offsets, as a part of that of all else"},
    )
    log_offsets: bool = field(
        default=False,
        metadata={
            "help": "write to the training log how far the taps of deformable convolutions move, "
            "in tokens, and which share of their weight falls outside the sentence"
        },
    )
    context_broadcast: ContextBroadcastType = field(  # type: ignore[valid-type]
        default="none",
        metadata={
            "help": "add the mean of the sentence at the end of the feed-forward sublayer: half "
            "and half (plain), or times one learned scale a channel (scaled)"
        },
    )
