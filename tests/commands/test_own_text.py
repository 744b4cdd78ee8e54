"""Own text in other languages than German: prepared, trained on, scored, translated, inspected."""

from __future__ import annotations

import json
from pathlib import Path

from support.commandline import copies, run_attn_nmt, train

from attn_nmt import hub
from attn_nmt.data.lines import write_raw


def test_every_command_takes_the_languages_of_the_data_card(
    tmp_path: Path, monkeypatch: object
) -> None:
    langs = ("fr", "it")
    write_raw(tmp_path, "train", copies(1, 300), langs)
    write_raw(tmp_path, "test", copies(2, 10), langs)
    own, data_bin, run = tmp_path / "raw", tmp_path / "corpus" / "data-bin", tmp_path / "run"
    run_attn_nmt(
        *("prepare", "text", data_bin.parent),
        *("--source-lang", "fr", "--target-lang", "it", "--bpe-merges", 50),
        *("--train", own / "train", "--valid", "held-out", 10, "--test", own / "test"),
    )
    train(data_bin, run, "--max-update", 3)
    result = run_attn_nmt("evaluate", run, data_bin)
    assert json.loads(result.stdout.splitlines()[-1])["sentences"] == 10
    hypotheses = (run / "evaluation-test" / "hypotheses.it").read_text().splitlines()
    sources = (own / "test.fr").read_text().splitlines()
    assert hub.from_pretrained(run, data_bin).translate(sources) == hypotheses
