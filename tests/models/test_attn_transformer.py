"""The whole model: causality, padding on either side, cached decoding, beam search, gradients."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest
import torch
from fairseq.data.data_utils import collate_tokens
from fairseq.sequence_generator import SequenceGenerator
from support.tiny_models import Task, build, sentences

from attn_nmt.command_line import FlagError

PAD, EOS = 1, 2
NO_ALIGNMENT = Namespace(generation=Namespace(print_alignment=None))
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
PRE_NORM = {"encoder_normalize_before": True, "decoder_normalize_before": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "post-norm": {},
    "pre-norm": PRE_NORM,
    "0010": {"self_attn_terms": "0010", "cross_attn_terms": "1000"},
    "pre-norm, cross without the query": {"cross_attn_terms": "0010,0001", **PRE_NORM},
    "0001, cross 0100": {"self_attn_terms": "0001", "cross_attn_terms": "0100"},
    "0000, cross 0010": {"self_attn_terms": "0000", "cross_attn_terms": "0010"},
    "none": {"self_attn_terms": "none"},
    "mixed": {
        "encoder_self_attn_terms": "0110,none",
        "decoder_self_attn_terms": "none,1010",
        "cross_attn_terms": "1000,0111",
        "self_attn_span": 3,
    },
    "encoder without": {"encoder_self_attn_type": "none", "decoder_self_attn_terms": "0011"},
    "deformable": {"self_attn_terms": "0010", "deformable_kernel_size": 3},
    "deformable alone, pre-norm": {
        "self_attn_type": "none",
        "deformable_kernel_size": 5,
        **PRE_NORM,
    },
    "dynamic": {"self_attn_type": "dynamic", "conv_kernel_sizes": "3,7"},
    "lightweight, pre-norm": {
        "self_attn_type": "lightweight",
        "conv_kernel_sizes": "4",
        "conv_glu": "off",
        **PRE_NORM,
    },
    "broadcast": {"self_attn_terms": "0110", "context_broadcast": "plain"},
    "everything at once": {
        "encoder_self_attn_type": "dynamic",
        "conv_kernel_sizes": "5",
        "decoder_self_attn_terms": "0110",
        "encoder_deformable_kernel_size": 3,
        "context_broadcast": "scaled",
    },
    "shared, embedding norm": {"share_all_embeddings": True, "layernorm_embedding": True},
}
variant = pytest.mark.parametrize("name", VARIANTS)


def batch_of(source: list[torch.Tensor], *, left_pad: bool) -> torch.Tensor:
    return collate_tokens(source, PAD, EOS, left_pad=left_pad)


def previous(target: list[torch.Tensor]) -> torch.Tensor:
    return collate_tokens(target, PAD, EOS, left_pad=False, move_eos_to_beginning=True)


@variant
def test_a_translation_does_not_depend_on_its_neighbours(name: str) -> None:
    model = build(**VARIANTS[name])
    source, target = sentences(3, 7, 5), sentences(4, 2, 6, seed=1)
    for left_pad in (False, True):
        together, _ = model(batch_of(source, left_pad=left_pad), None, previous(target))
        for row, (one, other) in enumerate(zip(source, target, strict=True)):
            alone, _ = model(one.unsqueeze(0), None, previous([other]))
            torch.testing.assert_close(together[row, : len(other)], alone[0], **CLOSE)


@variant
def test_the_past_does_not_know_the_future(name: str) -> None:
    model, (source,), (target,) = build(**VARIANTS[name]), sentences(4), sentences(6, seed=1)
    tokens = previous([target])
    before, _ = model(source.unsqueeze(0), None, tokens)
    for position in range(1, tokens.size(1)):
        changed = tokens.clone()
        changed[0, position] = 4 if tokens[0, position] != 4 else 5
        after, _ = model(source.unsqueeze(0), None, changed)
        assert torch.equal(after[:, :position], before[:, :position])
        assert not torch.equal(after[:, position:], before[:, position:])


@variant
def test_step_by_step_equals_full(name: str) -> None:
    model, source = build(**VARIANTS[name]), batch_of(sentences(3, 6), left_pad=True)
    tokens = previous(sentences(5, 5, seed=1))
    encoder_out, state = model.encoder(source), {}
    full, _ = model.decoder(tokens, encoder_out=encoder_out)
    for end in range(1, tokens.size(1) + 1):
        step, _ = model.decoder(tokens[:, :end], encoder_out=encoder_out, incremental_state=state)
        torch.testing.assert_close(step[:, 0], full[:, end - 1], **CLOSE)


def test_source_positions_count_from_the_start_of_the_sentence() -> None:
    model, source = build(), sentences(3, 6)
    left = model.encoder(batch_of(source, left_pad=True))
    right = model.encoder(batch_of(source, left_pad=False))
    torch.testing.assert_close(left["encoder_out"][0], right["encoder_out"][0], **CLOSE)
    assert torch.equal(left["encoder_padding_mask"][0], right["encoder_padding_mask"][0])


def test_attention_is_returned_in_the_layout_of_the_source() -> None:
    model, source, target = build(), sentences(3, 6), previous(sentences(4, 4, seed=1))
    left = model(batch_of(source, left_pad=True), None, target)[1]["attn"][0]
    right = model(batch_of(source, left_pad=False), None, target)[1]["attn"][0]
    torch.testing.assert_close(left[0, :, 3:], right[0, :, :4], **CLOSE)
    torch.testing.assert_close(left[1], right[1], **CLOSE)
    assert left[0, :, :3].eq(0).all()


def test_alignment_is_computed_where_it_is_asked_for() -> None:
    """Never in training, unless the task loads alignments; in evaluation until told otherwise."""
    model, source, target = (
        build(),
        batch_of(sentences(3, 6), left_pad=True),
        previous(sentences(4, 4)),
    )

    def weights(model: Any, **options: int) -> torch.Tensor | None:
        return model(source, None, target, **options)[1]["attn"][0]

    logits = model(source, None, target)[0]
    assert weights(model) is not None
    model.prepare_for_inference_(NO_ALIGNMENT)
    assert weights(model) is None
    torch.testing.assert_close(model(source, None, target)[0], logits, **CLOSE)
    assert weights(model, alignment_layer=0) is not None
    assert weights(build().train()) is None
    assert weights(build(load_alignments=True).train()) is not None


def test_beams_share_the_memory_of_their_sentence() -> None:
    model, source = build(), batch_of(sentences(3, 6, 4), left_pad=True)
    alone = model.encoder(source)
    beams = model.encoder.reorder_encoder_out(alone, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert beams["encoder_out"][0] is alone["encoder_out"][0]
    moved = model.encoder.reorder_encoder_out(beams, torch.tensor([1, 0, 2, 2, 5, 4]))
    assert moved["encoder_out"][0] is alone["encoder_out"][0]
    fewer = model.encoder.reorder_encoder_out(moved, torch.tensor([0, 0, 5, 4]))
    assert torch.equal(fewer["encoder_out"][0], alone["encoder_out"][0][:, [0, 2]])
    assert torch.equal(fewer["src_tokens"][0], source[[0, 2]])
    uneven = model.encoder.reorder_encoder_out(fewer, torch.tensor([0, 2, 3]))
    assert torch.equal(uneven["encoder_out"][0], alone["encoder_out"][0][:, [0, 2, 2]])


def test_attention_of_beams_is_in_the_layout_of_their_source() -> None:
    model, source = build(), batch_of(sentences(3, 6), left_pad=True)
    target, order = previous(sentences(4, 4, 4, 4, seed=1)), torch.tensor([0, 0, 1, 1])
    beams = model.encoder.reorder_encoder_out(model.encoder(source), order)
    _, shared = model.decoder(target, encoder_out=beams)
    _, alone = model.decoder(target, encoder_out=model.encoder(source[order]))
    torch.testing.assert_close(shared["attn"][0], alone["attn"][0], **CLOSE)


@pytest.mark.parametrize("left_pad", [False, True])
@variant
def test_beam_search_equals_search_without_a_cache(name: str, left_pad: bool) -> None:
    """The cached search of fairseq, with beams reordered and finished sentences dropped."""
    model, task = build(**VARIANTS[name]), Task()
    source = batch_of(sentences(2, 6, 4, 3), left_pad=left_pad)
    sample = {"net_input": {"src_tokens": source, "src_lengths": source.ne(PAD).sum(1)}}
    generator = SequenceGenerator(
        [model], task.target_dictionary, beam_size=3, max_len_a=0, max_len_b=9
    )
    forward, rows = model.decoder.forward, []

    def with_cache(tokens: torch.Tensor, **inputs: Any) -> Any:
        rows.append(len(tokens))
        return _end_some(tokens, *forward(tokens, **inputs))

    def without_cache(tokens: torch.Tensor, encoder_out: Any, **ignored: Any) -> Any:
        return _end_some(tokens, *forward(tokens, encoder_out=encoder_out))

    model.decoder.forward = with_cache
    # Different beginnings, since some models hardly look at the source.
    begin = torch.arange(4, 8)[:, None]
    cached = generator.generate([model], sample, prefix_tokens=begin)
    assert rows[-1] < rows[0], "a finished sentence must have been dropped"
    generator.model.has_incremental = False
    model.decoder.forward = without_cache
    plain = generator.generate([model], sample, prefix_tokens=begin)
    for found, expected in zip(cached, plain, strict=True):
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one["tokens"], other["tokens"])
            torch.testing.assert_close(one["score"], other["score"], **CLOSE)


def _end_some(tokens: torch.Tensor, logits: torch.Tensor, extra: Any) -> Any:
    """Make </s> likely behind two prefixes of five, so that sentences end at different times."""
    ends = (tokens**2).sum(1) % 5 < 2
    logits[ends, -1, EOS] += 20.0
    return logits, extra


@variant
@pytest.mark.parametrize("checkpoint_activations", [False, True])
def test_every_parameter_gets_a_gradient(name: str, checkpoint_activations: bool) -> None:
    model = build(**VARIANTS[name], checkpoint_activations=checkpoint_activations).train()
    source, target = batch_of(sentences(3, 6), left_pad=True), previous(sentences(4, 4, seed=1))
    logits, _ = model(source, None, target)
    logits.log_softmax(-1)[..., 5].sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_activation_checkpoints_change_nothing() -> None:
    source, target = batch_of(sentences(3, 6), left_pad=True), previous(sentences(4, 4, seed=1))
    plain, _ = build(dropout=0.0).train()(source, None, target)
    again, _ = build(dropout=0.0, checkpoint_activations=True).train()(source, None, target)
    torch.testing.assert_close(plain, again, **CLOSE)


def test_a_flag_wins_over_the_architecture() -> None:
    model = build(encoder_layers=1, encoder_ffn_embed_dim=64)
    assert len(model.encoder.layers) == 1
    assert len(model.decoder.layers) == 2
    assert model.encoder.layers[0].fc1.out_features == 64


def test_left_padded_targets_are_refused() -> None:
    from attn_nmt.models.attn_transformer import AttnTransformerModel
    from attn_nmt.models.config import AttnTransformerConfig

    message = "^--left-pad-target must be False, .* but is True instead.$"
    with pytest.raises(ValueError, match=message):
        AttnTransformerModel.build_model(AttnTransformerConfig(), Task(left_pad_target=True))


def test_full_context_alignment_is_refused() -> None:
    model, source = build(), batch_of(sentences(3), left_pad=True)
    with pytest.raises(ValueError, match="^--full-context-alignment must be off, .*$"):
        model.decoder(
            previous(sentences(2)), encoder_out=model.encoder(source), full_context_alignment=True
        )


def test_norms_that_nothing_reads_are_dropped_from_older_checkpoints() -> None:
    model = build(cross_attn_terms="0000,1000", **PRE_NORM)
    state = model.state_dict()
    norms = [name for name in state if "encoder_attn_layer_norm" in name]
    assert norms == [
        f"decoder.layers.1.encoder_attn_layer_norm.{key}" for key in ("weight", "bias")
    ]
    state |= {name.replace("layers.1", "layers.0"): state[name] for name in norms}
    model.load_state_dict(state)


@variant
def test_in_8_bits_step_by_step_equals_full_beside_any_neighbours(name: str) -> None:
    """Every row is rounded by itself, and so the same in every batch and step."""
    model = build(**VARIANTS[name], int8=True)
    source, tokens = batch_of(sentences(3, 6), left_pad=True), previous(sentences(5, 5, seed=1))
    with torch.no_grad():
        exact, _ = model(source, None, tokens)
        model.float().prepare_for_inference_(NO_ALIGNMENT)
        full, _ = model(source, None, tokens)
        assert not torch.equal(full, exact.float())
        alone, _ = model(source[1:], None, tokens[1:])
        encoder_out, state = model.encoder(source), {}
        steps = [
            model.decoder(tokens[:, :end], encoder_out=encoder_out, incremental_state=state)[0]
            for end in range(1, tokens.size(1) + 1)
        ]
    # What differs in float32's last digits can be rounded the other way.
    size = float(exact.abs().max())
    torch.testing.assert_close(alone[0], full[1], rtol=0, atol=0.02 * size)
    torch.testing.assert_close(torch.cat(steps, 1), full, rtol=0, atol=0.02 * size)
    torch.testing.assert_close(full, exact.float(), rtol=0, atol=0.1 * size)


def test_in_8_bits_other_types_are_refused_by_the_flag() -> None:
    model = build(int8=True)
    with pytest.raises(FlagError, match=r"^--int8 must be off here .*: 8-bit products need float"):
        model.double().prepare_for_inference_(NO_ALIGNMENT)


def test_without_the_flag_nothing_is_rounded() -> None:
    model = build().float()
    model.prepare_for_inference_(NO_ALIGNMENT)
    assert all(getattr(module, "int8", None) is None for module in model.modules())
