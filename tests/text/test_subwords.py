"""Subword tools: chosen by name, learned on several files, encoded and decoded without loss."""

from __future__ import annotations

from pathlib import Path

import pytest
from fairseq.data.data_utils import post_process

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.text.subwords import SUBWORD_TOOLS, SentencePiece, Subwords, build_subwords

WORDS = ["der", "die", "das", "Haus", "Häuser", "Hauses", "laufen", "läuft", "gelaufen", "3,5", "%"]
LINES = [" ".join(WORDS[start::step]) for start in range(8) for step in (1, 2, 3)]


@pytest.fixture(params=["subword-nmt", "sentencepiece"])
def subwords(request: pytest.FixtureRequest) -> Subwords:
    return build_subwords(request.param, {})


@pytest.fixture
def learned(subwords: Subwords, tmp_path: Path) -> Path:
    """A directory with a model of the tool."""
    files = [tmp_path / "text.en", tmp_path / "text.de"]
    for file, lines in zip(files, (LINES[::2], LINES[1::2]), strict=True):
        file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    directory = tmp_path / "model"
    directory.mkdir()
    subwords.learn(files, directory, size=40)
    return directory


def test_learning_writes_the_files_of_the_tool(subwords: Subwords, learned: Path) -> None:
    assert {path.name for path in learned.iterdir()} == set(subwords.files)


def test_decoding_restores_what_was_encoded_as_fairseq_does(
    subwords: Subwords, learned: Path
) -> None:
    encode = subwords.encoder(learned)
    for line in [*LINES, "", "Haus", "ungesehen: Öl"]:
        encoded = encode(line)
        assert subwords.decode(encoded) == line
        assert subwords.decode(encoded) == post_process(encoded, subwords.post_process)
    assert len(encode("Häuserlaufen").split()) > 1


def test_a_missing_model_is_refused(subwords: Subwords, tmp_path: Path) -> None:
    message = f"^{tmp_path / subwords.files[0]} must exist, to split text into subwords, but is "
    with pytest.raises(UsageError, match=message):
        subwords.encoder(tmp_path)


def test_an_unknown_tool_is_refused_wherever_it_is_named() -> None:
    message = (
        "^The subword tool must be one of subword-nmt, sentencepiece, but is 'wordpiece' instead.$"
    )
    with pytest.raises(UsageError, match=message):
        build_subwords("wordpiece", {})
    with pytest.raises(UsageError, match=message):
        _ = DataCard("own", "fr", "en", "wordpiece", {}, {}, {}, 0, {}, {}).subwords


def test_a_tool_takes_its_own_options_only() -> None:
    options = {"sentencepiece_type": "unigram", "bpe_merges": 8000, "seed": 1}
    assert build_subwords("sentencepiece", options) == SentencePiece("unigram")
    assert build_subwords("subword-nmt", options) == build_subwords("subword-nmt", {})


def test_every_tool_is_registered_by_its_own_name() -> None:
    assert {name: tool.name for name, tool in SUBWORD_TOOLS.items()} == {
        "subword-nmt": "subword-nmt",
        "sentencepiece": "sentencepiece",
    }
