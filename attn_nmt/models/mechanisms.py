"""From a layer's plan to its modules; None where the plan has none."""

from __future__ import annotations

from fairseq.models.transformer import TransformerConfig
from fairseq.models.transformer.transformer_config import EncDecBaseConfig

from attn_nmt.models.layer_plan import LayerPlan
from attn_nmt.modules import (
    ContextBroadcast,
    DeformableConv1d,
    DynamicConv1d,
    LightweightConv1d,
    RelativeMultiheadAttention,
)
from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d

_CONVOLUTIONS: dict[str, type[HeadwiseConv1d]] = {
    "dynamic": DynamicConv1d,
    "lightweight": LightweightConv1d,
}


def build_self_attention(
    config: TransformerConfig, side: EncDecBaseConfig, plan: LayerPlan, *, causal: bool
) -> RelativeMultiheadAttention | HeadwiseConv1d | None:
    """Build relative attention, or the convolution in its place."""
    if plan.self_attn_type == "relative":
        return RelativeMultiheadAttention(
            side.embed_dim,
            side.attention_heads,
            terms=plan.self_attn_terms,
            dropout=config.attention_dropout,
            span=plan.span,
            causal=causal,
        )
    if plan.kernel_size is None:
        return None
    return _CONVOLUTIONS[plan.self_attn_type](
        side.embed_dim,
        plan.kernel_size,
        plan.conv_heads,
        causal=causal,
        dropout=config.attention_dropout,
        glu=plan.conv_glu,
    )


def build_deformable(
    side: EncDecBaseConfig, plan: LayerPlan, *, causal: bool
) -> DeformableConv1d | None:
    """Build the deformable convolution before self-attention."""
    if not plan.deformable:
        return None
    return DeformableConv1d(
        side.embed_dim,
        plan.deformable,
        causal=causal,
        offset_lr_scale=plan.deformable_offset_lr_scale,
    )


def build_broadcast(
    side: EncDecBaseConfig, plan: LayerPlan, *, causal: bool
) -> ContextBroadcast | None:
    """Build the context broadcasting at the end of the feed-forward sublayer."""
    if plan.context_broadcast == "none":
        return None
    scaled = plan.context_broadcast == "scaled"
    return ContextBroadcast(side.embed_dim, scaled=scaled, causal=causal)
