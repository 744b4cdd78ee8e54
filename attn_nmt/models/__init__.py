"""The models as fairseq sees them; fairseq imports the files of this folder by itself.

- ``config``: every flag, with its rule
- ``attention_plan``: what the flags mean for each layer
- ``layers``: one encoder layer, one decoder layer
- ``attn_transformer``: encoder, decoder and model
- ``architectures``: the names for ``--arch``
"""

from attn_nmt import fairseq_repairs
from attn_nmt.models import architectures, attn_transformer

__all__ = ["architectures", "attn_transformer"]

fairseq_repairs.apply()
