"""``python -m attn_nmt.study inspect`` on the copy task."""

from __future__ import annotations

import sys
from argparse import Namespace
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
from attn_nmt.study.inspecting import files

TEXT = "ba do ki"
WRITTEN = {
    "index.html",
    "pictures",
    "alignment.png",
    "encoder.layers.0.self_attn.png",
    "decoder.layers.0.self_attn.png",
    "decoder.layers.0.encoder_attn.png",
}


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*")}


@pytest.fixture
def inspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process and return what it prints."""

    def run(*words: object) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["study", "inspect", *map(str, words)])
        main()
        return capsys.readouterr().out.splitlines()

    return run


def test_the_page_shows_the_models_own_translation(trained: Path, data_bin: Path) -> None:
    # In a new process: matplotlib would log its own import there.
    command = (sys.executable, "-m", "attn_nmt.study", "inspect", trained, data_bin, "--text", TEXT)
    printed = run_command(*command)
    assert "DEBUG" not in printed.stderr
    out = trained / "inspection"
    translator = hub.from_pretrained(trained, data_bin, device="cpu")
    assert printed.stdout.splitlines() == [*translator.translate([TEXT]), str(out / "index.html")]
    assert names(out) == WRITTEN
    page = Page(out / "index.html")
    panels = {panel["path"]: panel for panel in page.panels}
    weights = panels["decoder.layers.0.encoder_attn"]["pictures"][0]
    assert weights["columns"] == ["ba", "do", "ki", "</s>"] == weights["rows"]
    text = " ".join(text for _, text in page.texts)
    assert "attn_transformer_tiny" in text and "--self-attn-terms" in text


def test_the_numbers_are_those_of_the_model_forced_to_the_target(
    inspect: Any, trained: Path, data_bin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "write_picture", lambda path, _: path.touch())
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
    assert names(out) == {*WRITTEN, "arrays.npz"} and not (trained / "out").exists()
    translator = hub.from_pretrained(trained / "checkpoint_last.pt", data_bin, device="cpu")
    source = translator.encode(TEXT)
    forced = translator.encode(target, target=True)
    with torch.no_grad(), np.load(out / "arrays.npz") as npz:
        assert npz["target_tokens"].tolist() == ["fu", "ba", "</s>"]
        previous = torch.cat((forced[-1:], forced[:-1]))[None]
        _, extra = translator.models[0](
            source[None], torch.tensor([4]), previous, alignment_layer=0
        )
        np.testing.assert_allclose(npz["alignment.weights"], extra["attn"][0][0], atol=1e-6)


def test_what_cannot_be_inspected_is_refused_before_anything_is_written(
    inspect: Any, trained: Path, data_bin: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pt"
    tables = {
        f"{side}.{name}.weight": torch.zeros(4, 512)
        for side, name in (
            ("encoder", "embed_tokens"),
            ("decoder", "embed_tokens"),
            ("decoder", "output_projection"),
        )
    }
    no_layers = {"_name": "transformer", "encoder_layers": 0, "decoder_layers": 0}
    torch.save({"model": tables, "cfg": {"model": Namespace(**no_layers)}}, other)
    file = tmp_path / "file"
    file.touch()
    out = tmp_path / "out"
    refused = {
        ("--text", " "): "--text must be a sentence, but is ' '.",
        ("--text", TEXT, "--target", ""): "--target must be a sentence, but is ''.",
        ("--text", "ba " * 1099): "--text: A sentence must have at most 1024 subwords, but .* 1100",
        ("--text", TEXT, "--out", file): "--out must be a directory, but .*file is not one.",
    }
    for words, message in refused.items():
        with pytest.raises(UsageError, match=message):
            inspect(trained, data_bin, "--out", out, *words)
    places = {
        (tmp_path, data_bin): "must hold checkpoint_best.pt or checkpoint_last.pt",
        (tmp_path / "no.pt", data_bin): "no.pt must be a checkpoint, but is missing.",
        (trained, tmp_path): "data_card.json must exist",
        (trained, file): "DATA_BIN must be a directory, but .*file is not one.",
        (other, data_bin): "CHECKPOINT must hold a model of this package, .* holds 'transformer'.",
    }
    for words, message in places.items():
        with pytest.raises(UsageError, match=message):
            inspect(*words, "--text", TEXT, "--out", out)
    assert not out.exists()
