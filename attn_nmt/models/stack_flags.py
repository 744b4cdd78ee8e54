"""The flags of the stack: widths, layers, dropout, embeddings."""

# No "from __future__ import annotations" here: fairseq reads the types of the fields.
from dataclasses import dataclass, field

from fairseq import utils
from fairseq.dataclass import ChoiceEnum, FairseqDataclass

ActivationFunction = ChoiceEnum(utils.get_available_activation_fns())


@dataclass
class StackFlags(FairseqDataclass):
    """What fairseq's own Transformer has too; the defaults are Transformer-base."""

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
        default=False, metadata={"help": "recompute activations in the backward pass, layer-wise"}
    )
    compile_layers: bool = field(
        default=False,
        metadata={
            "help": "torch.compile for every layer, in training; slow to start, and not to be "
            "had beside --checkpoint-activations"
        },
    )
    max_source_positions: int = field(
        default=1024, metadata={"help": "longest source sentence, in tokens"}
    )
    max_target_positions: int = field(
        default=1024, metadata={"help": "longest target sentence, in tokens"}
    )
