"""What pip installs is complete: every command from a wheel, in an empty directory."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.commandline import BIN, RECIPE, ROOT, SMALL, logged, run_command

# For each would import PyTorch and fairseq again.
IN_ONE_PROCESS = """
import shlex, sys
from attn_nmt.__main__ import main
for command in (
    "study plan figure3-self --size tiny --data-bin corpus/data-bin",
    "study costs --length 50",
    "flags",
    "benchmark --help",
    "doctor",
):
    sys.argv = ["attn-nmt", *shlex.split(command)]
    try:
        main()
    except SystemExit as end:
        assert not end.code, command
    print(end="\\0")
"""
PIP = shlex.split("python3 -m pip install --no-deps --no-build-isolation --no-index")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as installed, built from a copy of the sources that is gone."""
    directory = tmp_path_factory.mktemp("installed")
    source, site = directory / "source", directory / "site"
    shutil.copytree(ROOT / "attn_nmt", source / "attn_nmt")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run_command(*PIP, "--target", site, source)
    shutil.rmtree(source)
    return site


@pytest.fixture
def environment(site: Path) -> tuple[str, ...]:
    """What ``env`` sets so that the installed package is found."""
    return f"PYTHONPATH={site}", f"PATH={site / 'bin'}:{BIN}:{os.environ['PATH']}"


@pytest.fixture
def attn_nmt(environment: tuple[str, ...], tmp_path: Path) -> Callable[..., str]:
    """Run the installed attn-nmt in an empty directory."""

    def run(*words: object, **keywords: Any) -> str:
        return run_command("env", *environment, "attn-nmt", *words, cwd=tmp_path, **keywords).stdout

    return run


def test_it_works_as_user_dir(
    site: Path, data_bin: Path, trained: Path, attn_nmt: Callable[..., str], tmp_path: Path
) -> None:
    user_dir = attn_nmt("path").strip()
    assert user_dir == str(site / "attn_nmt")
    assert (site / "attn_nmt" / "config" / "wmt_en_de.yaml").is_file()
    assert (site / "attn_nmt" / "study" / "reporting" / "page.html").is_file()
    words = ("fairseq-validate", data_bin, "--user-dir", user_dir, "--max-tokens", 2000)
    words += ("--path", trained / "checkpoint_best.pt", "--task", "translation")
    result = run_command("env", f"PYTHONPATH={site}", *words, cwd=tmp_path)
    assert logged(result.stdout + result.stderr, "ppl", "valid")


def test_from_text_to_scores_translations_and_the_study(
    attn_nmt: Callable[..., str], environment: tuple[str, ...], tmp_path: Path
) -> None:
    pairs = ("--train-pairs", 600, "--valid-pairs", 20, "--test-pairs", 20)
    attn_nmt("prepare", "cldr", "corpus", "--bpe-merges", 200, *pairs)
    short = (*SMALL, *RECIPE, "--max-update", 6, "--save-interval-updates", 3)
    short += ("--update-freq", 1, "--cpu")
    attn_nmt("train", "attn0010_tiny", "corpus/data-bin", "run", *short)
    attn_nmt("average", "--output", "run/mean.pt", "--last-updates", 2, "run")
    scores = attn_nmt("evaluate", "run/mean.pt", "corpus/data-bin", "--max-len-b", 10)
    assert json.loads(scores.splitlines()[-1])["sentences"] == 20
    text = attn_nmt("translate", "run/mean.pt", stdin="Hello.\n\nGood morning.\n")
    assert text.count("\n") == 3
    printed = run_command("env", *environment, "python3", "-c", IN_ONE_PROCESS, cwd=tmp_path).stdout
    plan, costs, flags, benchmark, *_ = printed.split("\0")
    assert "attn_nmt.training" in plan
    assert "1111" in costs
    assert "--self-attn-terms" in flags
    assert "GOAL" in benchmark.upper()
