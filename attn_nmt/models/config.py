"""Every flag of the models, read and checked in one place."""

# No "from __future__ import annotations" here: fairseq reads the types of the fields.
from argparse import Namespace
from dataclasses import dataclass, fields
from typing import Any

from fairseq.models.transformer import TransformerConfig

from attn_nmt.models.layer_plan import resolve
from attn_nmt.models.mechanism_flags import MechanismFlags


@dataclass
class AttnTransformerConfig(MechanismFlags):
    """Flags of ``--arch attn_transformer_*`` and fields of ``model`` in a YAML file.

    The defaults are Transformer-base; ``architectures.py`` holds the other sizes.
    """

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
        together = self.compile_layers and self.checkpoint_activations
        _require("compile_layers", not together, "be off beside --checkpoint-activations", self)
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
        nested.plan, nested.compile_layers = resolve(self), self.compile_layers
        return nested


def _require(name: str, holds: bool, rule: str, config: AttnTransformerConfig) -> None:
    if not holds:
        flag = "--" + name.replace("_", "-")
        raise ValueError(f"{flag} must {rule}, but is {getattr(config, name)} instead.")
