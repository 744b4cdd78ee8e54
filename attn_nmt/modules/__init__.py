"""Attention and convolution modules, (length, batch, channels) in and out; they need PyTorch only.

- ``relative_attention``: ``RelativeMultiheadAttention`` and the choice of its backend
- ``kv_cache``: what it keeps between decoding steps, and keys that the beams of a sentence share
- ``past_tokens``: the tokens in such a cache, and how few of them a beam search moves
- ``headwise_conv1d``: ``DynamicConv1d`` and ``LightweightConv1d``
- ``deformable_conv1d``: ``DeformableConv1d``
- ``context_broadcast``: ``ContextBroadcast``
- ``incremental``: caches in fairseq's ``incremental_state``, and how they follow a beam search
- ``linear``: the linear layer of all of them; ``int8``: its products in 8 bits, for translating
- ``arguments``: rules that their arguments share
"""

from attn_nmt.modules.context_broadcast import ContextBroadcast
from attn_nmt.modules.deformable_conv1d import DeformableConv1d
from attn_nmt.modules.headwise_conv1d import DynamicConv1d, LightweightConv1d
from attn_nmt.modules.relative_attention import RelativeMultiheadAttention

__all__ = [
    "ContextBroadcast",
    "DeformableConv1d",
    "DynamicConv1d",
    "LightweightConv1d",
    "RelativeMultiheadAttention",
]
