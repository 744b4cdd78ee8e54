"""The commands of the README, word for word, in a directory of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.commandline import BIN, ROOT, run_command

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
# Run by tests of their own, or by CI itself.
ELSEWHERE = ("bash scripts/quickstart.sh\n", "bash scripts/test.sh\n")
# What makes a command short enough for a test; everything else is left as it is.
SHORTER = {
    r"(prepare_cldr_en2de.sh \S+)": r"\1 --train-pairs 1000 --valid-pairs 20 --test-pairs 20",
    r"--max-update \d+": "--max-update 60",
    r"(evaluate.sh \S+ \S+)": r"\1 --max-len-b 20",
    r"(checkpoint.save_dir=\S+)": r"\1 optimization.max_update=1 dataset.max_tokens=500",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that looks like the project's, to be filled with data and runs."""
    directory = tmp_path_factory.mktemp("checkout")
    for name in ("attn_nmt", "data_prep", "scripts"):
        (directory / name).symlink_to(ROOT / name)
    (directory / ".venv").symlink_to(BIN.parent)
    return directory


def test_the_two_commands_come_first() -> None:
    assert BLOCKS[:2] == list(ELSEWHERE)


def test_the_other_commands_run_in_order(checkout: Path) -> None:
    script = "set -euo pipefail\n" + "".join(BLOCKS[2:])
    for pattern, replacement in SHORTER.items():
        script, found = re.subn(pattern, replacement, script)
        assert found, pattern
    run_command("bash", "-c", script, cwd=checkout)
    assert (checkout / "runs" / "cldr" / "evaluation-test" / "scores.json").is_file()
    assert (checkout / "runs" / "hydra" / "checkpoint_last.pt").is_file()


def test_every_file_that_the_readme_names_exists() -> None:
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    tree = re.search(r"^```\nattn_nmt/.*?^```", README, re.DOTALL | re.MULTILINE)
    assert linked
    assert tree is not None
    parent = Path()
    for line in tree[0].splitlines()[1:-1]:
        name = line.split()[0].rstrip(",")
        parent = parent if line.startswith(" ") else Path(name)
        assert (ROOT / (parent / name if line.startswith(" ") else name)).exists(), name
    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_every_flag_that_the_readme_names_is_accepted() -> None:
    flags = set(re.findall(r"`(--[a-z-]+)[ `]", README.split("## Data")[1].split("## Scores")[0]))
    help_text = "".join(
        run_command("bash", f"data_prep/prepare_{name}_en2de.sh", "--help").stdout
        for name in ("cldr", "multi30k")
    )
    assert flags >= {"--bpe-merges", "--subword", "--workers", "--mirror"}
    assert [flag for flag in flags if flag not in help_text] == []
