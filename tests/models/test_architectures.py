"""Every name for --arch: it has the layers and parameters of its row, and trains a step."""

from __future__ import annotations

import pytest
import torch
from fairseq.models import ARCH_MODEL_INV_REGISTRY
from support.tiny_models import build, sentences
from torch import nn

from attn_nmt.modules import DynamicConv1d, LightweightConv1d

# Parameters of one self-attention: matrices of width x width, vectors of the width.
SELF_ATTENTION = {
    "none": (0, 0),
    "0000": (2, 2),  # v_proj, out_proj and their biases, which all the others have too
    "0001": (3, 3),  # r_proj, v
    "0010": (3, 3),  # k_proj, u
    "0011": (4, 4),  # k_proj, r_proj, u, v
    "0100": (4, 2),  # q_proj, r_proj
    "0101": (4, 3),  # q_proj, r_proj, v
    "0110": (5, 3),  # q_proj, k_proj, r_proj, u
    "0111": (5, 4),  # q_proj, k_proj, r_proj, u, v
    "1000": (4, 2),  # q_proj, k_proj
    "1001": (5, 3),  # q_proj, k_proj, r_proj, v
    "1010": (4, 3),  # q_proj, k_proj, u
    "1011": (5, 4),  # q_proj, k_proj, r_proj, u, v
    "1100": (5, 2),  # q_proj, k_proj, r_proj
    "1101": (5, 3),  # q_proj, k_proj, r_proj, v
    "1110": (5, 3),  # q_proj, k_proj, r_proj, u
    "1111": (5, 4),  # q_proj, k_proj, r_proj, u, v
}
# Layers on each side, width, width of the feed-forward sublayers, heads.
SIZES = {
    "tiny": (2, 128, 512, 4),
    "iwslt_de_en": (6, 512, 1024, 4),
    "wmt_en_de": (6, 512, 2048, 8),
}
# Name -> terms, whether there is a deformable convolution, convolution in place of attention.
ATTENTION = {"attn_transformer": "1111", **{f"attn{terms}": terms for terms in SELF_ATTENTION}}
ROWS = {
    **{name: (terms, False, None) for name, terms in ATTENTION.items()},
    **{f"{name}_deformable": (terms, True, None) for name, terms in ATTENTION.items()},
    "attn_transformer_dynamic": ("none", False, DynamicConv1d),
    "attn_transformer_lightweight": ("none", False, LightweightConv1d),
}
KERNEL, HEADS = 31, 16


def expected_parameters(row: str, size: str, vocabulary: int) -> int:
    (terms, deformable, convolution), (layers, width, ffn, _) = ROWS[row], SIZES[size]
    matrices, vectors = SELF_ATTENTION[terms]
    norm = 2 * width
    self_attention = matrices * width**2 + vectors * width + (norm if terms != "none" else 0)
    if convolution:
        kernels = width * HEADS * KERNEL if convolution is DynamicConv1d else HEADS * KERNEL
        # Into twice the width for the gate, and out.
        self_attention = 3 * width**2 + 3 * width + kernels + norm
    if deformable:
        self_attention += 3 * width**2 + width + 3 * width + norm
    cross_attention = 5 * width**2 + 4 * width + norm
    feed_forward = 2 * width * ffn + ffn + width + norm
    encoder = layers * (self_attention + feed_forward)
    decoder = layers * (self_attention + cross_attention + feed_forward)
    return encoder + decoder + 3 * vocabulary * width


def test_the_names_are_those_of_the_paper() -> None:
    names = set(ARCH_MODEL_INV_REGISTRY["attn_transformer"]) - {"attn_transformer"}
    assert names == {f"{row}_{size}" for row in ROWS for size in SIZES}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("row", ROWS)
def test_an_architecture_has_the_layers_and_parameters_of_its_row(row: str, size: str) -> None:
    with torch.device("meta"):
        model = build(f"{row}_{size}", dtype=torch.float32)
    layers, width, ffn, heads = SIZES[size]
    vocabulary = model.decoder.output_projection.out_features
    number = sum(parameter.numel() for parameter in model.parameters())
    assert number == expected_parameters(row, size, vocabulary)
    terms, deformable, convolution = ROWS[row]
    for stack in (model.encoder.layers, model.decoder.layers):
        assert len(stack) == layers
        for layer in stack:
            assert layer.fc1.weight.shape == (ffn, width)
            assert (layer.deformable is not None) == deformable
            if deformable:
                assert (layer.deformable.kernel_size, layer.deformable.offset_lr_scale) == (3, 0.1)
            if convolution:
                assert isinstance(layer.self_attn, convolution)
                assert (layer.self_attn.kernel_size, layer.self_attn.glu) == (KERNEL, True)
                assert layer.self_attn.num_heads == HEADS
            elif terms == "none":
                assert layer.self_attn is None
            else:
                assert str(layer.self_attn.terms) == terms
                assert layer.self_attn.num_heads == heads
    for layer in model.decoder.layers:
        assert (str(layer.encoder_attn.terms), layer.encoder_attn.num_heads) == ("1111", heads)


@pytest.mark.parametrize("row", ROWS)
def test_a_step_gives_every_parameter_a_gradient_and_moves_it(row: str) -> None:
    """As DDP requires; the sizes differ in numbers only."""
    model = build(f"{row}_tiny", dtype=torch.float32).train()
    source, target = sentences(4, 4), torch.stack(sentences(5, 5, seed=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    initial = [parameter.detach().clone() for parameter in model.parameters()]
    logits, _ = model(torch.stack(source), None, target)
    nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten()).backward()
    optimizer.step()
    for old, (name, parameter) in zip(initial, model.named_parameters(), strict=True):
        assert parameter.grad is not None, name
        assert not torch.equal(old, parameter), name
