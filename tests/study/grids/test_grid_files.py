"""Grid files: which cells they make, and what they must not contain."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.study.grids import grid_files
from attn_nmt.study.grids.grid_files import read_grid


def test_lists_of_a_file_multiply(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        'base: {deformable_kernel_size: 3}\nvary:\n  self_attn_terms: ["1111", "0110"]\n'
        "  encoder_layers: [2, 4]\n"
    )
    cells = read_grid(str(path))
    assert [cell.name for cell in cells] == [
        "self_attn_terms=1111+encoder_layers=2",
        "self_attn_terms=1111+encoder_layers=4",
        "self_attn_terms=0110+encoder_layers=2",
        "self_attn_terms=0110+encoder_layers=4",
    ]
    assert cells[2].flags == {
        "deformable_kernel_size": 3,
        "self_attn_terms": "0110",
        "encoder_layers": 2,
    }


def examples() -> list[str]:
    """Return the files in the docstring of the module."""
    return [
        dedent(block) for block in re.findall(r"::\n\n((?: {4}.*\n)+)", grid_files.__doc__ or "")
    ]


@pytest.mark.parametrize(
    ("example", "names", "flags", "train_flags"),
    [
        (
            0,
            [f"self_attn_terms={t}+encoder_layers={n}" for t in ("1111", "0110") for n in (2, 4)],
            {"deformable_kernel_size": 3, "self_attn_terms": "0110", "encoder_layers": 4},
            {},
        ),
        (
            1,
            [f"lr={lr}+dropout={p}" for lr in (0.0005, 0.001, 0.002) for p in (0.1, 0.3)],
            {"self_attn_terms": "0110", "dropout": 0.3},
            {"warmup_updates": 2000, "max_update": 20000, "lr": 0.002},
        ),
        (
            2,
            [
                f"self_attn_type={kind}+tokens_per_update={tokens}+adam_betas=0.9,{beta}"
                for kind in ("relative", "dynamic")
                for tokens in (15000, 30000)
                for beta in (0.98, 0.997)
            ],
            {"self_attn_type": "dynamic"},
            {"tokens_per_update": 30000, "adam_betas": "(0.9, 0.997)"},
        ),
        (
            3,
            ["1111", "0000", "0010-deformable", "dynamic-kernel31", "stock"],
            {"dropout": 0.2},
            {},
        ),
    ],
)
def test_the_documented_examples_make_these_cells(
    tmp_path: Path,
    example: int,
    names: list[str],
    flags: dict[str, Any],
    train_flags: dict[str, Any],
) -> None:
    assert len(examples()) == 4
    path = tmp_path / "own.yaml"
    path.write_text(examples()[example])
    cells = read_grid(str(path))
    assert [cell.name for cell in cells] == names
    assert (cells[-1].flags, cells[-1].train_flags) == (flags, train_flags)


def test_models_have_their_names_and_may_be_fairseqs_own(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(examples()[3])
    flags = {cell.name: (cell.flags, cell.varied, cell.is_stock) for cell in read_grid(str(path))}
    assert flags == {
        "1111": ({"dropout": 0.2}, (), False),
        "0010-deformable": (
            {"dropout": 0.2, "self_attn_terms": "0010", "deformable_kernel_size": 3},
            ("self_attn_terms", "deformable_kernel_size"),
            False,
        ),
        "0000": ({"dropout": 0.2, "self_attn_terms": "0000"}, ("self_attn_terms",), False),
        "dynamic-kernel31": (
            {"dropout": 0.2, "self_attn_type": "dynamic", "conv_kernel_sizes": "31"},
            ("self_attn_type", "conv_kernel_sizes"),
            False,
        ),
        "stock": ({"dropout": 0.2}, (), True),
    }


def test_a_file_with_nothing_to_vary_is_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "own.yml"
    path.write_text("base: {dropout: 0, log_offsets: true, deformable_kernel_size: 5}\n")
    (cell,) = read_grid(str(path))
    assert cell.name == "base"
    assert cell.flags == {"dropout": 0, "log_offsets": True, "deformable_kernel_size": 5}


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (
            "vary: {self_atn_terms: ['1111']}",
            "must be a known name, but is 'self_atn_terms'; the nearest is 'self_attn_terms'.",
        ),
        (
            "vary: {warmup_update: [10]}",
            "must be a known name, but is 'warmup_update'; the nearest is 'warmup_updates'.",
        ),
        ("vary: {lr: [[0.1, 0.2]]}", "must be text or a number, but is [0.1, 0.2]."),
        ("base: {lr: true}", "must be text or a number, but is True."),
        ("vary: {warmup_updates: [1.5]}", "must be a whole number, but is 1.5."),
        ("base: {clip_norm: little}", "must be a number, but is 'little'."),
        ("base: {fp16: 1}", "must be true or false, but is 1."),
        (
            "base: {adam_betas: '__import__(\"os\").getpid()'}",
            "must be text without calls, but is '__import__(\"os\").getpid()'.",
        ),
        *(
            (
                f"vary: {{{name}: [1]}}",
                "since the plan or its command line sets it, but is given.",
            )
            for name in ("seed", "save_dir", "arch", "user_dir", "nodes", "cpu", "dry_run")
        ),
        (
            "vary: {tokenizer: [a b, ab]}",
            "must have values that differ in letters or digits, but two cells are named "
            "'tokenizer=ab'.",
        ),
        ("vary: {optimizer: [%s]}" % ("a" * 300), "...."),
        ("bass: {}", "must be one of base, vary, models, but is 'bass'; the nearest is 'base'."),
        # 0110 is the octal number 72 in YAML, on is true.
        ("vary: {self_attn_terms: [0110]}", "must be text in quotes, but is 72."),
        ("base: {conv_glu: on}", "must be text in quotes, but is True."),
        ("base: {encoder_layers: '3'}", "must be a whole number, but is '3'."),
        ("base: {encoder_layers: true}", "must be a whole number, but is True."),
        ("base: {dropout: high}", "must be a number, but is 'high'."),
        ("base: {log_offsets: 1}", "must be true or false, but is 1."),
        ("base: {encoder_deformable_kernel_size: null}", "must be a whole number, but is None."),
        ("vary: {encoder_layers: 3}", "must be a list of values, but is 3."),
        ("vary: {encoder_layers: []}", "must be a list of values, but is []."),
        ("vary: {encoder_layers: [3, 3]}", "must have no value twice, but has 3."),
        ("vary: {dropout: [0, 0]}", "must have no value twice, but has 0."),
        ("base: []", "must be flags with values, but is []."),
        (
            "{base: {encoder_layers: 3}, vary: {encoder_layers: [3]}}",
            "must have a flag in one section, but has encoder_layers in both.",
        ),
        ("base: [3]", "must be flags with values, but is [3]."),
        ("[base]", "must have the sections base, vary or models, but has none."),
        ("", "must have the sections base, vary or models, but has none."),
        (
            "just text",
            "must be one of base, vary, models, but is 'just text'; the nearest is 'base'.",
        ),
        ("base: {encoder_layers: 3, encoder_layers: 4}", "."),
        ("base: {", "."),
        ("{vary: {}, models: {}}", "must have one of vary and models, but has both."),
        ("models: {}", "must be names with flags, but is {}."),
        ("models: [a]", "must be names with flags, but is ['a']."),
        (
            "models: {0110: {}}",
            "must be text in quotes of letters, digits and .,:=+-, at most 200 bytes, but is 72.",
        ),
        ("models: {../a: {}}", "at most 200 bytes, but is '../a'."),
        ("models: {%s: {}}" % ("a" * 201), "...."),
        ("models: {a: 3}", "must be flags with values, but is 3."),
        ("models: {a: {encoder_layers: x}}", "must be a whole number, but is 'x'."),
        (
            "{base: {dropout: 0.1}, models: {a: {dropout: 0.1}}}",
            "must have a flag in one section, but has dropout in both.",
        ),
        (
            "models: {a: {arch: lightconv}}",
            "must be transformer, fairseq's own, or left out, but is 'lightconv'.",
        ),
        *(
            (f"models: {{a: {{seeds: {seeds}}}}}", f"a number of seeds, at least 1, but is {said}.")
            for seeds, said in ((0, "0"), ("[1]", "[1]"), ("true", "True"))
        ),
        (
            'base: {encoder_layers: "${oc.env:HOME}"}',
            "must be a whole number, but is '${oc.env:HOME}'.",
        ),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(tmp_path: Path, content: str, ending: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=f"{re.escape(ending)}$") as caught:
        read_grid(str(path))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(b"base: \xff")
    with pytest.raises(UsageError, match="must be YAML, but is not: 'utf-8' codec .*[.]$"):
        read_grid(str(path))


def test_an_unknown_grid_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="but is 'table4'; the nearest is 'table[23]'.$"):
        read_grid("table4")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &a [1]\nb: *a\n", "must have no YAML aliases"),
        ("vary: &a\n  - *a\n", "must have no YAML aliases"),
        ("vary: " + "[" * 5000 + "]" * 5000, "must be YAML, but is not"),
        ("null: {encoder_layers: 2}", "must be"),
        ("3: {encoder_layers: 2}", "a section of .* must be one of base, vary, models, but is '3'"),
        ("base: {null: 2}", "must be"),
        ("base: {encoder_layers: null}", "must be a whole number"),
        ("vary: {conv_kernel_sizes: [" + ",".join(f"'{n}'" for n in range(20000)) + "]}", "bytes"),
        (
            "vary: {encoder_layers: [%s], decoder_layers: [%s], conv_heads: [%s]}"
            % ((",".join(map(str, range(1, 301))),) * 3),
            "must have at most 10000 cells, but has 27000000.",
        ),
    ],
)
def test_hostile_files_are_refused_in_a_sentence(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=problem):
        read_grid(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    with pytest.raises(UsageError, match=f"^GRID must be a file, but {path} is missing.$"):
        read_grid(str(path))
    with pytest.raises(UsageError, match=f"^--grid must be a file, but {path} is missing.$"):
        read_grid(str(path), "--grid")
