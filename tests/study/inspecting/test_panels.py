"""Every mechanism in a whole model: what is shown is what the model computes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from support.inspected import pair, small_model
from torch import Tensor

from attn_nmt.models.mechanisms import ALL_MECHANISMS, RELATIVE
from attn_nmt.modules import ContextBroadcast, RelativeMultiheadAttention
from attn_nmt.modules.headwise_conv1d import HeadwiseConv1d
from attn_nmt.study.inspecting.capture import Sublayer, capture
from attn_nmt.study.inspecting.panel_data import Panel
from attn_nmt.study.inspecting.panels import PANELS, make_panels

CONVOLUTION = {"conv_heads": 4, "conv_kernel_sizes": "5"}
MODELS: dict[str, dict[str, Any]] = {
    "attention": {"self_attn_terms": "1111,0010", "cross_attn_terms": "0101"},
    "span": {"self_attn_terms": "0110", "self_attn_span": 3, "cross_attn_terms": "0000"},
    "dynamic": {"self_attn_type": "dynamic", "context_broadcast": "plain", **CONVOLUTION},
    "mixed": {
        "encoder_self_attn_type": "lightweight",
        "decoder_self_attn_type": "none",
        "context_broadcast": "scaled",
        "encoder_deformable_kernel_size": 3,
        **CONVOLUTION,
    },
    "pre-norm": {
        "self_attn_terms": "1001,none",
        "deformable_kernel_size": 3,
        "encoder_normalize_before": True,
        "decoder_normalize_before": True,
    },
}


@pytest.fixture(scope="module", params=list(MODELS))
def model(request: pytest.FixtureRequest) -> Any:
    return small_model(**MODELS[request.param])


def outputs(model: Any) -> tuple[dict[str, Tensor], Any]:
    """What each module returns in a pass of its own, and what the model returns."""
    by_path, sentence = {}, pair()
    hooks = [
        module.register_forward_hook(
            lambda _, __, output, path=path: by_path.__setitem__(
                path, output[0] if isinstance(output, tuple) else output
            )
        )
        for path, module in model.named_modules()
    ]
    prev_output_tokens = torch.cat((sentence.target[-1:], sentence.target[:-1]))
    returned = model(
        sentence.source[None], torch.tensor([len(sentence.source)]), prev_output_tokens[None]
    )
    for hook in hooks:
        hook.remove()
    return by_path, returned


def panels_of(model: Any) -> tuple[list[Panel], dict[str, Sublayer]]:
    sentence = pair()
    sublayers = capture(model, sentence.source, sentence.target)
    return make_panels(sublayers, sentence), {one.path: one for one in sublayers}


def close(actual: Any, expected: Tensor) -> None:
    torch.testing.assert_close(torch.as_tensor(actual), expected.detach(), rtol=0, atol=1e-9)


def test_what_is_shown_gives_the_output_of_each_sublayer(model: Any) -> None:
    panels, sublayers = panels_of(model)
    output, _ = outputs(model)
    for panel in panels[1:]:
        module, inputs = sublayers[panel.path].module, sublayers[panel.path].inputs
        if isinstance(module, RelativeMultiheadAttention):
            key = inputs.get("key", inputs["query"])
            values = module.split_heads(module.v_proj(key))[0]
            mixed = torch.as_tensor(panel.arrays["weights"]) @ values
            close(module.out_proj(mixed.transpose(0, 1).flatten(1)), output[panel.path][:, 0])
        elif isinstance(module, HeadwiseConv1d):
            values = module.split_heads(module.gate(inputs["x"]))[0]
            mixed = torch.as_tensor(panel.arrays["band"]) @ values
            close(module.out_proj(mixed.transpose(0, 1).flatten(1)), output[panel.path][:, 0])
        elif module is not None and not isinstance(module, ContextBroadcast):
            share = torch.as_tensor(panel.arrays["neighbour_shares"])[..., None]
            # (L, K, 2, C) -> (L, K, C)
            read = (inputs["x"][:, 0][panel.arrays["neighbours"]] * share).sum(2)
            expected = torch.einsum("lkc,dck->ld", read, module.weight) + module.bias
            close(expected.detach(), output[panel.path][:, 0])


def test_the_encoder_decoder_weights_are_those_that_the_decoder_returns(model: Any) -> None:
    panels, _ = panels_of(model)
    by_path = {panel.path: panel for panel in panels}
    layers = [
        torch.as_tensor(by_path[f"decoder.layers.{n}.encoder_attn"].arrays["weights"])
        for n in (0, 1)
    ]
    _, (_, extra) = outputs(model)
    # fairseq rounds them to float32.
    torch.testing.assert_close(layers[1].mean(0).float(), extra["attn"][0][0].float())
    close(by_path["alignment"].arrays["weights"], (layers[0] + layers[1]).mean(0) / 2)


def test_rows_and_columns_are_named_by_their_tokens(model: Any) -> None:
    sentence = pair()
    source, target = sentence.source_tokens, sentence.target_tokens
    read = ["</s>", *target[:-1]]
    for panel in panels_of(model)[0]:
        for picture in panel.pictures:
            rows, columns = picture.rows, picture.columns
            assert picture.values.shape[1:] == (len(rows), len(columns)) == picture.masked.shape
            if panel.path.endswith("encoder_attn") or panel.path == "alignment":
                assert (rows, columns) == (target, source)
            elif panel.path.endswith("self_attn") and picture.name != "kernels tap by tap":
                tokens = source if panel.path.startswith("encoder") else read
                edges = ["before the sentence", *tokens, "after the sentence"]
                assert rows == tokens and columns in (tokens, edges)
        if panel.arrows is not None:
            assert panel.arrows.tokens == (source if panel.path.startswith("encoder") else read)


def test_the_notes_say_why_there_is_no_picture() -> None:
    seen: dict[str, str] = {}
    for name, flags in MODELS.items():
        for panel in panels_of(small_model(**flags))[0]:
            notes = " ".join(panel.notes)
            seen[f"{name} {panel.path}"] = notes
            if not panel.is_drawn:
                assert notes.endswith(("nothing to show.", "to draw.", "in absolute value."))
    assert seen["pre-norm encoder.layers.0.self_attn"] == ""
    assert seen["pre-norm encoder.layers.1.self_attn"] == (
        "This layer has no self-attention: there is nothing to show."
    )
    assert "no energies to show" in seen["span decoder.layers.0.encoder_attn"]
    assert "the same for all tokens" in seen["mixed encoder.layers.0.self_attn"]
    assert (
        "the mean of all tokens of the sentence"
        in seen["dynamic encoder.layers.0.context_broadcast"]
    )
    assert (
        "the mean of the tokens up to itself" in seen["dynamic decoder.layers.0.context_broadcast"]
    )
    assert "a learned number per channel" in seen["mixed decoder.layers.0.context_broadcast"]


def test_the_alignment_comes_first_and_what_no_layer_has_is_left_out() -> None:
    parts = {
        name: list(dict.fromkeys(panel.part for panel in panels_of(small_model(**flags))[0]))
        for name, flags in MODELS.items()
    }
    attentions = ["Encoder: self-attention", "Decoder: self-attention"]
    assert parts["attention"] == [
        *("Decoder: alignment", *attentions),
        "Decoder: encoder-decoder attention",
    ]
    assert parts["pre-norm"][:3] == [
        *("Decoder: alignment", "Encoder: deformable convolution", "Encoder: self-attention"),
    ]
    assert "Decoder: self-attention" not in parts["mixed"]
    assert "Decoder: deformable convolution" not in parts["mixed"]


def test_no_hook_is_left_on_the_model(model: Any) -> None:
    before = [len(module._forward_pre_hooks) for module in model.modules()]
    panels_of(model)
    assert [len(module._forward_pre_hooks) for module in model.modules()] == before


def test_every_mechanism_has_a_panel_and_an_unknown_panel_is_an_error() -> None:
    assert {mechanism.panel for mechanism in ALL_MECHANISMS} == set(PANELS)
    unknown = replace(RELATIVE, panel="spectrum")
    sublayer = Sublayer("encoder", 0, "self_attn", torch.nn.Linear(1, 1), unknown)
    with pytest.raises(ValueError, match="^`panel` must be one of .* but is 'spectrum' instead.$"):
        make_panels([sublayer], pair())
