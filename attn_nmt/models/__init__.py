"""The models as fairseq sees them; fairseq imports the files of this directory by itself.

- ``flags``: every flag and its help; ``config``: their rules, and what they mean for each layer
- ``mechanisms``: the registry: what builds each mechanism, which flags it reads, what it costs
- ``costs``: multiply-adds and parameters of each mechanism
- ``layers``: an encoder and a decoder layer
- ``attn_transformer``: encoder, decoder and model
- ``compilation``: ``--compile-layers``
- ``architectures``: the names for ``--arch``
"""

from attn_nmt import fairseq_patches, fused_adam
from attn_nmt.models import architectures, attn_transformer

__all__ = ["architectures", "attn_transformer", "fused_adam"]

fairseq_patches.apply()
