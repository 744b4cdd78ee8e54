"""Every flag of the models, with its help; :mod:`attn_nmt.models.config` holds their rules."""

# No "from __future__ import annotations" here: fairseq reads the types of the fields.
from dataclasses import dataclass, field
from typing import Optional

from fairseq import utils
from fairseq.dataclass import ChoiceEnum, FairseqDataclass

from attn_nmt.models.mechanisms import CONTEXT_BROADCASTS, SELF_ATTENTION

# A bool whose default is True would become a flag that switches it off.
ON_OFF = ("on", "off")

ActivationFunction = ChoiceEnum(utils.get_available_activation_fns())
SelfAttnType = ChoiceEnum(list(SELF_ATTENTION))
ContextBroadcastType = ChoiceEnum(list(CONTEXT_BROADCASTS))
OnOff = ChoiceEnum(list(ON_OFF))


@dataclass
class ModelFlags(FairseqDataclass):
    """Widths, layers and dropout as in fairseq's Transformer, and the mechanisms of the layers.

    The defaults are Transformer-base with relative attention of all four terms.
    """

    activation_fn: ActivationFunction = field(  # type: ignore[valid-type]
        default="relu", metadata={"help": "activation function of the feed-forward sublayers"}
    )
    dropout: float = field(
        default=0.1, metadata={"help": "probability of dropping a sublayer's output, 0 to 1"}
    )
    attention_dropout: float = field(
        default=0.0,
        metadata={
            "help": "probability of dropping an attention weight or an entry of a kernel, 0 to 1"
        },
    )
    activation_dropout: float = field(
        default=0.0, metadata={"help": "probability of dropping a feed-forward activation, 0 to 1"}
    )
    encoder_embed_dim: int = field(
        default=512, metadata={"help": "encoder width, in channels; must equal the decoder's"}
    )
    encoder_ffn_embed_dim: int = field(
        default=2048, metadata={"help": "width inside the encoder's feed-forward sublayers"}
    )
    encoder_layers: int = field(default=6, metadata={"help": "number of encoder layers"})
    encoder_attention_heads: int = field(
        default=8, metadata={"help": "attention heads in the encoder; must divide its width"}
    )
    encoder_normalize_before: bool = field(
        default=False, metadata={"help": "layer norm before each encoder sublayer, not after"}
    )
    decoder_embed_dim: int = field(
        default=512, metadata={"help": "decoder width, in channels; must equal the encoder's"}
    )
    decoder_ffn_embed_dim: int = field(
        default=2048, metadata={"help": "width inside the decoder's feed-forward sublayers"}
    )
    decoder_layers: int = field(default=6, metadata={"help": "number of decoder layers"})
    decoder_attention_heads: int = field(
        default=8, metadata={"help": "attention heads in the decoder; must divide its width"}
    )
    decoder_normalize_before: bool = field(
        default=False, metadata={"help": "layer norm before each decoder sublayer, not after"}
    )
    share_decoder_input_output_embed: bool = field(
        default=False, metadata={"help": "use the decoder's embeddings as its output projection"}
    )
    share_all_embeddings: bool = field(
        default=False,
        metadata={
            "help": "one embedding table for source, target and output; needs a joined dictionary"
        },
    )
    no_scale_embedding: bool = field(
        default=False, metadata={"help": "do not multiply embeddings by the root of the width"}
    )
    layernorm_embedding: bool = field(
        default=False, metadata={"help": "layer norm on the embeddings"}
    )
    checkpoint_activations: bool = field(
        default=False,
        metadata={"help": "recompute activations in the backward pass, layer by layer"},
    )
    compile_layers: bool = field(
        default=False,
        metadata={
            "help": "torch.compile for every layer, in training; slow to start, and incompatible "
            "with --checkpoint-activations"
        },
    )
    int8: bool = field(
        default=False,
        metadata={
            "help": "translate with matrix products in 8 bits, on a CPU; training stays as it is"
        },
    )
    max_source_positions: int = field(
        default=1024, metadata={"help": "longest source sentence, in tokens"}
    )
    max_target_positions: int = field(
        default=1024, metadata={"help": "longest target sentence, in tokens"}
    )
    self_attn_terms: str = field(
        default="1111",
        metadata={
            "help": "terms of self-attention: four bits for query-key, query-position, key-only "
            "and position-only; or none for no sublayer; or a comma list with one entry per layer"
        },
    )
    encoder_self_attn_terms: Optional[str] = field(
        default=None, metadata={"help": "the same for the encoder only; overrides it"}
    )
    decoder_self_attn_terms: Optional[str] = field(
        default=None, metadata={"help": "the same for the decoder only; overrides it"}
    )
    cross_attn_terms: str = field(
        default="1111",
        metadata={
            "help": "terms of encoder-decoder attention: four bits, or a comma list with one entry "
            "per decoder layer"
        },
    )
    self_attn_type: SelfAttnType = field(  # type: ignore[valid-type]
        default="relative",
        metadata={"help": "what self-attention is made of; none leaves out the sublayer"},
    )
    encoder_self_attn_type: Optional[SelfAttnType] = field(  # type: ignore[valid-type]
        default=None, metadata={"help": "the same for the encoder only; overrides it"}
    )
    decoder_self_attn_type: Optional[SelfAttnType] = field(  # type: ignore[valid-type]
        default=None, metadata={"help": "the same for the decoder only; overrides it"}
    )
    self_attn_span: int = field(
        default=0,
        metadata={
            "help": "odd number of tokens that self-attention covers, centred on the query, "
            "in the decoder ending with it; 0 for no limit"
        },
    )
    conv_kernel_sizes: str = field(
        default="31",
        metadata={
            "help": "taps of dynamic and lightweight convolution, in tokens: one number, or a "
            "comma list with one entry per layer"
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
        default=None, metadata={"help": "the same for the encoder only; overrides it"}
    )
    decoder_deformable_kernel_size: Optional[int] = field(
        default=None, metadata={"help": "the same for the decoder only; overrides it"}
    )
    deformable_offset_lr_scale: float = field(
        default=0.1,
        metadata={"help": "learning rate of the offsets relative to all other parameters"},
    )
    log_offsets: bool = field(
        default=False,
        metadata={
            "help": "log in training how far the taps of deformable convolutions move, in tokens, "
            "and how much of their weight falls outside the sentence"
        },
    )
    context_broadcast: ContextBroadcastType = field(  # type: ignore[valid-type]
        default="none",
        metadata={
            "help": "add the mean of the sentence at the end of the feed-forward sublayer: half "
            "and half (plain), or times a learned scale per channel (scaled)"
        },
    )
