"""Every flag of the models, read and checked in one place."""

# No "from __future__ import annotations" here: fairseq reads the types of the fields.
from argparse import Namespace
from dataclasses import dataclass, field, fields
from typing import Any, Optional

from fairseq import utils
from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.models.transformer import TransformerConfig

from attn_nmt.models.attention_plan import SELF_ATTN_TYPES, resolve

SelfAttnType = ChoiceEnum(list(SELF_ATTN_TYPES))
ActivationFunction = ChoiceEnum(utils.get_available_activation_fns())


@dataclass
class AttnTransformerConfig(FairseqDataclass):
    """Flags of ``--arch attn_transformer_*`` and fields of ``model`` in a YAML file.

    The defaults are Transformer-base; ``architectures.py`` holds the other sizes.
    """

    activation_fn: ActivationFunction = field(  # type: ignore[valid-type]
        default="relu", metadata={"help": "activation function of the feed-forward sublayers"}
    )
    dropout: float = field(
        default=0.1, metadata={"help": "probability of dropping a sublayer's output, 0 to 1"}
    )
    attention_dropout: float = field(
        default=0.0, metadata={"help": "probability of dropping an attention weight, 0 to 1"}
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
    max_source_positions: int = field(
        default=1024, metadata={"help": "longest source sentence, in tokens"}
    )
    max_target_positions: int = field(
        default=1024, metadata={"help": "longest target sentence, in tokens"}
    )

    def validate(self) -> None:
        """Check the rules between flags.

        Raises:
            ValueError: naming the flag, the rule and the value found.
        """
        for name in ("dropout", "attention_dropout", "activation_dropout"):
            _require(name, 0.0 <= getattr(self, name) <= 1.0, "lie between 0 and 1", self)
        _require(
            "decoder_embed_dim",
            self.decoder_embed_dim == self.encoder_embed_dim,
            f"equal --encoder-embed-dim ({self.encoder_embed_dim})",
            self,
        )
        for side in ("encoder", "decoder"):
            for name in ("embed_dim", "ffn_embed_dim", "layers", "attention_heads"):
                _require(f"{side}_{name}", getattr(self, f"{side}_{name}") > 0, "be positive", self)
            width = getattr(self, f"{side}_embed_dim")
            heads = f"{side}_attention_heads"
            rule = f"divide --{side}-embed-dim ({width})"
            _require(heads, width % getattr(self, heads) == 0, rule, self)
        resolve(self)

    @classmethod
    def from_mapping(cls, values: Any) -> "AttnTransformerConfig":
        """Read a fairseq configuration (a namespace or a DictConfig), and check it."""
        read: dict[str, Any] = {
            # A checkpoint may be older than a field, and then means its default.
            f.name: getattr(values, f.name, f.default)
            for f in fields(cls)
            if f.name != "_name"
        }
        config = cls(**read)
        config.validate()
        return config

    def to_transformer_config(self) -> TransformerConfig:
        """Say the same in the nested form that fairseq reads, with the layers' plan beside it."""
        flat = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "_name"}
        # Relative attention is the only source of word order in these models.
        flat["no_token_positional_embeddings"] = True
        # Left out, fairseq would keep its own default width for these two.
        flat["decoder_input_dim"] = flat["decoder_output_dim"] = self.decoder_embed_dim
        nested = TransformerConfig.from_namespace(Namespace(**flat))
        nested.plan = resolve(self)
        return nested


def _require(name: str, holds: bool, rule: str, config: AttnTransformerConfig) -> None:
    if not holds:
        flag = "--" + name.replace("_", "-")
        raise ValueError(f"{flag} must {rule}, but is {getattr(config, name)} instead.")
