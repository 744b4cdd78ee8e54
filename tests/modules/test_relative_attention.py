"""RelativeMultiheadAttention against the loops, and against other people's attention."""

from __future__ import annotations

import inspect
import itertools
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support import reference
from support.gradients import assert_same, randomize
from support.terms import patch_block_sizes
from torch import Tensor

from attn_nmt.modules import RelativeMultiheadAttention
from attn_nmt.terms import ALL_TERMS

WIDTH, HEADS, BATCH = 6, 2, 2
PADDING = ("none", "left", "right", "all")
MODES = {"self": {}, "causal": {"causal": True}, "cross": {}}
SPANS = (None, 1, 5)
# Degenerate, odd, and long enough to be cut into several of the small blocks.
LENGTHS = {
    "self": [(1, 1), (2, 2), (5, 5)],
    "causal": [(1, 1), (2, 2), (5, 5)],
    "cross": [(1, 4), (5, 1), (3, 6), (5, 3)],
}


def build(terms: str, **options: Any) -> RelativeMultiheadAttention:
    module = RelativeMultiheadAttention(WIDTH, HEADS, terms=terms, **options).double()
    randomize(module)
    return module


def padding_of(kind: str, key_length: int) -> Tensor | None:
    """One sentence whole, one a third shorter; with "all", one of nothing but padding."""
    if kind == "none":
        return None
    mask = torch.zeros(BATCH, key_length, dtype=torch.bool)
    short = key_length if kind == "all" else key_length // 3
    mask[1, :short] = True
    return mask.flip(1) if kind == "right" else mask


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("terms", ALL_TERMS)
def test_equals_the_loops_in_value_and_every_gradient(
    terms: str, mode: str, span: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_block_sizes(monkeypatch)
    module = build(terms, span=span, **MODES[mode])
    for (query_length, key_length), kind in itertools.product(LENGTHS[mode], PADDING):
        query = torch.randn(query_length, BATCH, WIDTH).double().requires_grad_()
        key = value = query
        if mode == "cross":
            key, value = (
                torch.randn(key_length, BATCH, WIDTH).double().requires_grad_() for _ in "kv"
            )
        padding = padding_of(kind, key_length)
        expected, weights = reference.attention(
            dict(module.named_parameters()),
            query,
            key,
            value,
            heads=HEADS,
            terms=terms,
            span=span,
            padding=padding,
            **MODES[mode],
        )
        plain, found_weights = module(query, key, value, padding, need_head_weights=True)
        fast, nothing = module(query, key, value, padding, need_weights=False)
        assert nothing is None
        assert_same(module, {"query": query, "key": key, "value": value}, expected, plain, fast)
        torch.testing.assert_close(found_weights, weights.transpose(0, 1))


@pytest.mark.parametrize("terms", ALL_TERMS)
def test_has_a_parameter_only_if_an_enabled_term_uses_it(terms: str) -> None:
    expected = {"v_proj.weight", "v_proj.bias", "out_proj.weight", "out_proj.bias"}
    expected |= {"q_proj.weight"} if "1" in terms[:2] else set()
    expected |= {"k_proj.weight"} if terms[0] == "1" or terms[2] == "1" else set()
    expected |= {"r_proj.weight"} if terms[1] == "1" or terms[3] == "1" else set()
    expected |= {"u"} if terms[2] == "1" else set()
    expected |= {"v"} if terms[3] == "1" else set()
    shapes = {name: tuple(p.shape) for name, p in build(terms).named_parameters()}
    assert set(shapes) == expected
    assert all(shapes[name] == (HEADS, WIDTH // HEADS) for name in ("u", "v") if name in shapes)


@pytest.mark.parametrize("terms", ALL_TERMS)
def test_energies_are_the_enabled_terms_and_add_up_to_the_weights(terms: str) -> None:
    module = build(terms)
    query, key = torch.randn(4, BATCH, WIDTH).double(), torch.randn(5, BATCH, WIDTH).double()
    energies = module.energies(query, key)
    names = ("query_key", "query_position", "key_only", "position_only")
    assert list(energies) == [name for name, bit in zip(names, terms, strict=True) if bit == "1"]
    total = torch.zeros(BATCH, HEADS, 4, 5).double()
    for energy in energies.values():
        total = total + energy
    _, weights = module(query, key, key, need_head_weights=True)
    torch.testing.assert_close(total.softmax(-1).transpose(0, 1), weights)


def test_energies_count_distances_from_the_query_offset() -> None:
    module = build("0101")
    query, key = torch.randn(6, BATCH, WIDTH).double(), torch.randn(5, BATCH, WIDTH).double()
    whole, tail = module.energies(query, key), module.energies(query[4:], key, query_offset=4)
    for name in whole:
        torch.testing.assert_close(tail[name], whole[name][:, :, 4:])


def test_relative_encoding_is_the_sinusoid_in_the_type_of_the_parameters() -> None:
    found = build("0100").relative_encoding(torch.tensor([-2, 0, 5]))
    expected = torch.tensor([reference.sinusoid(d, WIDTH) for d in (-2, 0, 5)]).double()
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("padding", ["none", "left", "right"])
def test_1000_is_pytorch_attention(padding: str) -> None:
    module = build("1000")
    query, key = torch.randn(4, BATCH, WIDTH).double(), torch.randn(6, BATCH, WIDTH).double()
    mask = padding_of(padding, 6)
    no_bias = torch.zeros(2 * WIDTH).double()
    expected, weights = F.multi_head_attention_forward(
        query,
        key,
        key,
        WIDTH,
        HEADS,
        None,
        torch.cat((no_bias, module.v_proj.bias)),
        None,
        None,
        False,
        0.0,
        module.out_proj.weight,
        module.out_proj.bias,
        key_padding_mask=mask,
        use_separate_proj_weight=True,
        q_proj_weight=module.q_proj.weight,
        k_proj_weight=module.k_proj.weight,
        v_proj_weight=module.v_proj.weight,
    )
    found, found_weights = module(query, key, key, mask)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_weights, weights)


def test_1111_is_fairseqs_relative_attention() -> None:
    from fairseq.modules.espnet_multihead_attention import RelPositionMultiHeadedAttention

    module, length = build("1111"), 7
    theirs = RelPositionMultiHeadedAttention(WIDTH, HEADS, dropout=0.0).double()
    with torch.no_grad():
        for mine, other in zip("qkv", ("linear_q", "linear_k", "linear_v"), strict=True):
            getattr(theirs, other).weight.copy_(getattr(module, f"{mine}_proj").weight)
            getattr(theirs, other).bias.zero_()
        theirs.linear_v.bias.copy_(module.v_proj.bias)
        theirs.linear_out.load_state_dict(module.out_proj.state_dict())
        theirs.linear_pos.weight.copy_(module.r_proj.weight)
        theirs.pos_bias_u.copy_(module.u)
        theirs.pos_bias_v.copy_(module.v)
    x, mask = torch.randn(length, BATCH, WIDTH).double(), padding_of("right", length)
    # Both tables run from the farthest key on the left to the farthest on the right.
    table = module.relative_encoding(torch.arange(-(length - 1), length)).unsqueeze(1)
    expected, _ = theirs(x, x, x, pos_emb=table, key_padding_mask=mask)
    found, _ = module(x, key_padding_mask=mask)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("causal", [False, True])
def test_1111_is_the_relative_attention_of_xlnet(causal: bool) -> None:
    from transformers import XLNetConfig
    from transformers.models.xlnet.modeling_xlnet import XLNetRelativeAttention

    module, length = build("1111", causal=causal), 7
    config = XLNetConfig(d_model=WIDTH, n_head=HEADS, dropout=0.0)
    theirs = XLNetRelativeAttention(config).double()
    with torch.no_grad():
        theirs.r_w_bias.copy_(module.u)
        theirs.r_r_bias.copy_(module.v)
    x = torch.randn(length, BATCH, WIDTH).double()

    def heads(projected: Tensor) -> Tensor:
        return projected.view(*projected.shape[:-1], HEADS, -1)

    # Its table has one distance more than ours, and runs from i - j = length downwards.
    table = module.r_proj(module.relative_encoding(torch.arange(-length, length)))
    mask = torch.ones(length, length).triu(1).double().mul(float(causal))
    mixed = theirs.rel_attn_core(
        heads(module.q_proj(x)),
        heads(module.k_proj(x)),
        heads(module.v_proj(x)),
        heads(table).unsqueeze(1).expand(-1, BATCH, -1, -1),
        attn_mask=mask[:, :, None, None].expand(-1, -1, BATCH, HEADS),
    )
    for need_weights in (False, True):
        found, _ = module(x, need_weights=need_weights)
        torch.testing.assert_close(found, module.out_proj(mixed.flatten(-2)))


@pytest.mark.parametrize("dims", ["2d", "3d"])
@pytest.mark.parametrize("kind", ["bool", "float", "finite"])
def test_attn_mask_blocks_or_is_added(kind: str, dims: str) -> None:
    module, x = build("1111"), torch.randn(4, BATCH, WIDTH).double()
    blocked = torch.ones(4, 4, dtype=torch.bool).triu(1)
    blocked[2] = True
    bias = torch.randn(4, 4).double() if kind == "finite" else torch.zeros(4, 4).double()
    mask = blocked if kind == "bool" else bias.masked_fill(blocked, -torch.inf)
    if dims == "3d":
        mask = mask.expand(BATCH * HEADS, 4, 4)
    total = sum(module.energies(x, x).values()) + bias
    expected = total.masked_fill(blocked, -torch.inf).softmax(-1).nan_to_num(0.0)
    _, weights = module(x, attn_mask=mask, need_head_weights=True)
    torch.testing.assert_close(weights, expected.transpose(0, 1))


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("options", [{}, {"causal": True}, {"span": 3, "causal": True}])
@pytest.mark.parametrize("terms", ["1111", "0010", "0001", "0000"])
def test_attn_mask_joins_all_else_that_blocks(
    terms: str, options: dict[str, Any], need_weights: bool
) -> None:
    length, is_causal = 5, "causal" in options
    module, x = build(terms, **options), torch.randn(length, BATCH, WIDTH).double()
    padding, mask = padding_of("left", length), torch.rand(length, length) < 0.4
    assert padding is not None
    reach = {"causal": is_causal, "span": options.get("span")}
    allowed = torch.tensor(
        [[reference.is_allowed(i, j, **reach) for j in range(length)] for i in range(length)]
    )
    nothing = torch.zeros(BATCH, HEADS, length, length).double()
    energies = sum(module.energies(x, x).values(), nothing)
    blocked = (mask | ~allowed) | padding[:, None, None]
    weights = energies.masked_fill(blocked, -torch.inf).softmax(-1).nan_to_num(0.0)
    # (L, B, C) -> (B, H, L, D)
    value = module.v_proj(x).view(length, BATCH, HEADS, -1).permute(1, 2, 0, 3)
    expected = module.out_proj((weights @ value).permute(2, 0, 1, 3).flatten(-2))
    found, _ = module(x, key_padding_mask=padding, attn_mask=mask, need_weights=need_weights)
    torch.testing.assert_close(found, expected)


def test_query_without_keys_gets_the_output_bias() -> None:
    module, x = build("1111"), torch.randn(3, BATCH, WIDTH).double()
    output, _ = module(x, key_padding_mask=torch.tensor([[False] * 3, [True] * 3]))
    torch.testing.assert_close(output[:, 1], module.out_proj.bias.expand(3, -1))


def test_weights_on_request() -> None:
    module, x = build("1111"), torch.randn(3, BATCH, WIDTH).double()
    assert module(x, need_weights=False)[1] is None
    mean, per_head = module(x)[1], module(x, need_head_weights=True)[1]
    assert per_head.shape == (HEADS, BATCH, 3, 3)
    torch.testing.assert_close(mean, per_head.mean(0))


def test_dropout_acts_in_training_only_and_keeps_the_mean() -> None:
    module, x = build("1111", dropout=0.5), torch.randn(5, BATCH, WIDTH).double()
    exact = module.eval()(x)[0]
    assert torch.equal(exact, module(x)[0])
    module.train()
    # Every row draws for itself, so one batch is as good as many calls.
    rows = x.repeat(1, 2000, 1)
    mean = module(rows)[0].view(len(x), 2000, BATCH, WIDTH).mean(1)
    assert not torch.allclose(module(x)[0], exact)
    assert (mean - exact).abs().max() < 0.2 * exact.std()


def test_the_signature_is_that_of_the_contract() -> None:
    assert str(inspect.signature(RelativeMultiheadAttention)) == (
        "(embed_dim: 'int', num_heads: 'int', *, terms: 'str' = '1111', dropout: 'float' = 0.0, "
        "span: 'int | None' = None, causal: 'bool' = False) -> 'None'"
    )


def test_a_printed_module_says_what_it_computes() -> None:
    assert "terms=0110, heads=2, causal=False" in str(build("0110"))
    assert "terms=1111, heads=2, span=3, causal=True" in str(build("1111", span=3, causal=True))


def test_initial_values_lie_within_glorots_bounds() -> None:
    module = RelativeMultiheadAttention(64, 4)
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            assert parameter.eq(0).all()
            continue
        gain = 0.5 if name[0] in "qkrv" and name.endswith("weight") else 1.0
        bound = (gain * 6 / sum(parameter.shape)) ** 0.5
        assert 0.9 * bound < parameter.abs().max() <= bound, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"embed_dim": 6, "num_heads": 4},
            "`embed_dim` must be a positive multiple of `num_heads`, but is 6 for 4 heads instead.",
        ),
        (
            {"embed_dim": 6, "num_heads": 2, "span": 4},
            "`span` must be odd and positive, or None, but is 4 instead.",
        ),
        (
            {"embed_dim": 6, "num_heads": 2, "dropout": 1.5},
            "`dropout` must lie between 0 and 1, but is 1.5 instead.",
        ),
        (
            {"embed_dim": 6, "num_heads": 2, "terms": "1121"},
            "`terms` must be four bits, each 0 or 1, such as '1111', but is '1121' instead.",
        ),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        RelativeMultiheadAttention(**arguments)
