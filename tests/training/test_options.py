"""What train.sh refuses before it looks at any device, each in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.training.options import check_arch, check_directories, read

WHOLE = "must be a whole number of at least 1, but is"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-tokens", "0"], f"--max-tokens {WHOLE} '0'."),
        (["--tokens-per-update", "-1"], f"--tokens-per-update {WHOLE} '-1'."),
        (["--processes", "two"], f"--processes {WHOLE} 'two'."),
        (["--nodes", "1.5"], f"--nodes {WHOLE} '1.5'."),
        (["--update-freq", "0"], f"--update-freq {WHOLE} '0'."),
        (["--update-freq", "4,x"], f"--update-freq {WHOLE} 'x'."),
        (["--node-rank", "x"], "--node-rank must be a whole number of at least 0, but is 'x'."),
        (["--save-dir", "x"], "--save-dir must be left out, since SAVE_DIR says it, but is given."),
        (["--arch=x"], "--arch must be left out, since ARCH says it, but is given."),
        (["-ax"], "-a must be left out, since ARCH says it, but is given."),
        (["-a", "x"], "-a must be left out, since ARCH says it, but is given."),
        (["--precision", "fp8"], "--precision must be one of bf16, fp16, fp32, but is 'fp8'."),
        (
            ["--update-freq", "2", "--tokens-per-update", "30000"],
            "--update-freq must be given without --tokens-per-update, from which it follows, "
            "but both are given.",
        ),
    ],
)
def test_a_bad_value_is_named(flags: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        read(["attn_transformer_tiny", "data-bin", "run", *flags])
    assert str(error.value) == message


def test_files_in_place_of_directories_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match=f"^DATA_BIN must be a directory, but {file} is not one.$"):
        check_directories(read(["arch", str(file), "run"]))
    with pytest.raises(UsageError, match=f"^SAVE_DIR must be a directory, but {file} is not one.$"):
        check_directories(read(["arch", str(tmp_path), str(file)]))
    check_directories(read(["arch", str(tmp_path), str(tmp_path / "new")]))


def test_an_unknown_arch_is_refused_with_the_nearest_one() -> None:
    check_arch("attn0010_deformable_tiny")
    check_arch("transformer")
    with pytest.raises(UsageError) as error:
        check_arch("attn0010_deformabel_tiny")
    assert str(error.value) == (
        "ARCH must be an architecture, of which attn0010_deformable_tiny is the nearest, "
        "but is 'attn0010_deformabel_tiny'."
    )
