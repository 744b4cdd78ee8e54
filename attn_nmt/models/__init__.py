"""The models as fairseq sees them; fairseq imports the files of this folder by itself.

- ``stack_flags``, ``mechanism_flags``: every flag; ``config``: their rules
- ``layer_plan``: what the flags mean for each layer; ``per_layer``: reading a list
- ``mechanisms``: from the plan of a layer to its modules
- ``sublayers``: what both kinds of layer share; ``layers``: an encoder and a decoder layer
- ``compilation``: what ``--compile-layers`` does
- ``offset_log``: what ``--log-offsets`` writes
- ``attn_transformer``: encoder, decoder and model
- ``architectures``: the names for ``--arch``
"""

from attn_nmt import fairseq_patches
from attn_nmt.models import architectures, attn_transformer

__all__ = ["architectures", "attn_transformer"]

fairseq_patches.apply()
