"""``python -m attn_nmt.study inspect`` on the copy task."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.commandline import run_command
from support.inspected import Page

from attn_nmt import hub
from attn_nmt.command_line import UsageError
from attn_nmt.study.__main__ import main

TEXT = "ba do ki"
LEFT = {
    "index.html",
    "pictures",
    "alignment.png",
    "encoder.layers.0.self_attn.png",
    "decoder.layers.0.self_attn.png",
    "decoder.layers.0.encoder_attn.png",
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.fixture
def inspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process and return what it prints."""

    def run(*words: object) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["study", "inspect", *map(str, words)])
        main()
        return capsys.readouterr().out.splitlines()

    return run


def test_the_page_is_of_the_models_own_translation(trained: Path, data_bin: Path) -> None:
    words = (sys.executable, "-m", "attn_nmt.study", "inspect", trained, data_bin, "--text", TEXT)
    printed = run_command(*words)
    assert "DEBUG" not in printed.stderr
    out = trained / "inspection"
    translator = hub.from_pretrained(trained, data_bin, device="cpu")
    assert printed.stdout.splitlines() == [*translator.translate([TEXT]), str(out / "index.html")]
    assert names(out) == LEFT
    page = Page(out / "index.html")
    found = {panel["path"]: panel for panel in page.panels}
    weights = found["decoder.layers.0.encoder_attn"]["pictures"][0]
    assert weights["columns"] == ["ba", "do", "ki", "</s>"] == weights["rows"]
    told = " ".join(text for _, text in page.texts)
    assert "attn_transformer_tiny" in told and "--self-attn-terms" in told


def test_a_target_is_taken_as_it_is_given(
    inspect: Any, trained: Path, data_bin: Path, tmp_path: Path
) -> None:
    """The numbers are those of the model when it is made to say the target."""
    out = tmp_path / "deep" / "out"
    target = "fu ba"
    printed = inspect(
        trained / "checkpoint_last.pt",
        data_bin,
        "--text",
        TEXT,
        "--target",
        target,
        "--out",
        out,
        "--dump",
    )
    assert printed == [target, str(out / "index.html")]
    assert names(out) == {*LEFT, "arrays.npz"} and not (trained / "out").exists()
    translator = hub.from_pretrained(trained / "checkpoint_last.pt", data_bin, device="cpu")
    source = translator.encode(TEXT)
    said = translator.encode(target, target=True)
    with torch.no_grad(), np.load(out / "arrays.npz") as found:
        assert found["target_tokens"].tolist() == ["fu", "ba", "</s>"]
        _, extra = translator.models[0](
            source[None], torch.tensor([4]), torch.cat((said[-1:], said[:-1]))[None]
        )
        np.testing.assert_allclose(found["alignment.weights"], extra["attn"][0][0], atol=1e-6)


def test_what_cannot_be_inspected_is_refused(
    inspect: Any, trained: Path, data_bin: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pt"
    torch.save({"model": {}, "cfg": {"model": {"_name": "transformer"}}}, other)
    file = tmp_path / "file"
    file.touch()
    out = tmp_path / "out"
    refused = {
        ("--text", " "): "--text must be a sentence, but is ' '.",
        ("--text", TEXT, "--target", ""): "--target must be a sentence, but is ''.",
        ("--text", "ba " * 1099): "--text: A sentence must have at most 1024 subwords, but .* 1100",
        ("--text", TEXT, "--out", file): "--out must be a directory, but .*file is none.",
    }
    for words, message in refused.items():
        with pytest.raises(UsageError, match=message):
            inspect(trained, data_bin, "--out", out, *words)
    places = {
        (tmp_path, data_bin): "must hold checkpoint_best.pt or checkpoint_last.pt",
        (tmp_path / "no.pt", data_bin): "no.pt must be a checkpoint, but is missing.",
        (trained, tmp_path): "data_card.json must exist",
        (trained, file): "DATA_BIN must be a directory, but .*file is none.",
        (other, data_bin): "CHECKPOINT must hold a model of this package, .* holds 'transformer'.",
    }
    for words, message in places.items():
        with pytest.raises(UsageError, match=message):
            inspect(*words, "--text", TEXT, "--out", out)
    assert not out.exists()
