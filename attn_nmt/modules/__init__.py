"""Attention modules, (length, batch, channels) in and out; they need PyTorch and nothing else."""

from attn_nmt.modules.relative_attention import RelativeMultiheadAttention

__all__ = ["RelativeMultiheadAttention"]
