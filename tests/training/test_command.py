"""The commands for options and devices, also for machines that the tests do not have."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.training.command import (
    Command,
    build_commands,
    describe_batch,
    flag_value,
    has_joined_dictionary,
    recipe,
    update_freq,
    uses_gpus,
)
from attn_nmt.training.devices import Gpus, Nodes
from attn_nmt.training.options import Options

Read = Callable[..., Options]
ONE_NODE = Nodes(1, 0, "127.0.0.1", 4321)
CPU = Gpus(0, bf16=False)


def value(command: Command, flag: str) -> str | None:
    return flag_value(command.argv, flag)


@pytest.mark.parametrize(
    ("flags", "world_size", "expected"),
    [
        ("", 2, "4096 tokens x 2 devices x update-freq 4 = 32768 tokens per update (wanted 30000)"),
        ("", 1, "4096 tokens x 1 device x update-freq 7 = 28672 tokens per update (wanted 30000)"),
        ("", 9, "4096 tokens x 9 devices x update-freq 1 = 36864 tokens per update (wanted 30000)"),
        (
            "--max-tokens 500 --tokens-per-update 3000",
            3,
            "500 tokens x 3 devices x update-freq 2 = 3000 tokens per update (wanted 3000)",
        ),
        (
            "--update-freq 3",
            1,
            "4096 tokens x 1 device x update-freq 3 = 12288 tokens per update",
        ),
    ],
)
def test_the_size_of_an_update_is_the_nearest_possible(
    options: Read, flags: str, world_size: int, expected: str
) -> None:
    line = describe_batch(options(flags), world_size)
    assert line == f"batch: {expected}; wpb in the log counts target words"
    assert f"update-freq {update_freq(options(flags), world_size)} " in line


def test_an_update_freq_by_epoch_is_passed_on(options: Read) -> None:
    by_epoch = options("--update-freq 4,2")
    assert describe_batch(by_epoch, 2) == "batch: 4096 tokens x 2 devices x update-freq 4,2"
    assert update_freq(by_epoch, 2) == "4,2"


def test_the_recipe_is_that_of_the_paper(options: Read) -> None:
    flags = recipe(options())
    expected = {
        "--optimizer": "fused_adam",
        "--adam-betas": "(0.9, 0.98)",
        "--adam-eps": "1e-9",
        "--weight-decay": "0.0",
        "--lr": "0.001",
        "--lr-scheduler": "inverse_sqrt",
        "--warmup-updates": "4000",
        "--warmup-init-lr": "1e-7",
        "--label-smoothing": "0.1",
        "--criterion": "label_smoothed_cross_entropy",
        "--dropout": "0.1",
        "--seed": "1",
        "--max-update": "100000",
        "--log-format": "simple",
        "--save-interval-updates": "1000",
        "--keep-interval-updates": "5",
    }
    assert {flag: flag_value(flags, flag) for flag in expected} == expected
    switches = [flag for flag in flags if flag.startswith("--") and flag not in expected]
    assert switches == ["--no-epoch-checkpoints", "--share-all-embeddings"]


@pytest.mark.parametrize(
    ("flag", "choice", "left_out"),
    [
        ("--optimizer", "nag", "--adam-betas"),
        ("--lr-scheduler", "fixed", "--warmup-init-lr"),
        ("--criterion", "cross_entropy", "--label-smoothing"),
        ("--keep-last-epochs", "3", "--no-epoch-checkpoints"),
    ],
)
def test_flags_that_contradict_the_users_choice_are_left_out(
    options: Read, flag: str, choice: str, left_out: str
) -> None:
    assert left_out in recipe(options())
    assert left_out not in recipe(options(f"{flag} {choice}"))
    assert left_out not in recipe(options(f"{flag}={choice}"))


@pytest.mark.parametrize("flags", ["--memory-efficient-bf16", "--user-dir other", "--user-dir=x"])
def test_fairseqs_own_adam_is_taken_where_the_fused_one_cannot_be(
    options: Read, flags: str
) -> None:
    chosen = recipe(options(flags))
    assert flag_value(chosen, "--optimizer") == "adam"
    assert "--adam-betas" in chosen
    assert "--adam-betas" in recipe(options("--optimizer adam"))


def test_embeddings_are_shared_only_with_a_joined_dictionary(options: Read, data_bin: Path) -> None:
    (data_bin / "dict.de.txt").write_text("do 1\n")
    assert "--share-all-embeddings" not in recipe(options())
    (data_bin / "dict.de.txt").unlink()
    (data_bin / "dict.en.txt").unlink()
    with pytest.raises(UsageError, match=r"^DATA_BIN must hold dict.LANG.txt, which "):
        recipe(options())


def test_the_languages_are_those_of_the_data_card(data_bin: Path) -> None:
    (data_bin / "dict.fr.txt").write_text("do 1\n")
    assert not has_joined_dictionary(data_bin)
    card = DataCard("any", "en", "de", "subword-nmt", {}, {}, {}, 64, {}, {})
    card.write(data_bin.parent)
    assert has_joined_dictionary(data_bin)
    (data_bin / "dict.de.txt").unlink()
    with pytest.raises(UsageError, match=r"^DATA_BIN must hold dict.de.txt, which "):
        has_joined_dictionary(data_bin)


@pytest.mark.parametrize(
    ("gpus", "node_count", "freq"),
    [(1, 1, "7"), (4, 1, "2"), (8, 1, "1"), (1, 2, "4"), (8, 2, "1")],
)
def test_gpus_are_started_by_torchrun_unless_there_is_one(
    options: Read, gpus: int, node_count: int, freq: str
) -> None:
    nodes = Nodes(node_count, node_count - 1, "first", 1234)
    (command,) = build_commands(options(), Gpus(gpus, bf16=True), nodes)
    assert value(command, "--distributed-world-size") == str(gpus * node_count)
    assert value(command, "--update-freq") == freq
    assert command.environment == {}
    assert "--cpu" not in command.argv
    if gpus * node_count == 1:
        assert command.argv[1:3] == ("-m", "fairseq_cli.train")
        return
    end = command.argv.index("fairseq_cli.train")
    assert " ".join(command.argv[1 : end + 1]) == (
        f"-m torch.distributed.run --nnodes {node_count} --node_rank {node_count - 1} "
        f"--nproc_per_node {gpus} --master_addr first --master_port 1234 -m fairseq_cli.train"
    )


def test_torchrun_accepts_its_flags(options: Read, data_bin: Path) -> None:
    """Its own parser reads them: a misspelt one would only show on a machine with GPUs."""
    from torch.distributed.run import get_args_parser

    (command,) = build_commands(options(), Gpus(4, bf16=True), Nodes(2, 1, "first", 1234))
    start = command.argv.index("torch.distributed.run") + 1
    args = get_args_parser().parse_args(command.argv[start:])
    assert (args.nnodes, args.node_rank, args.nproc_per_node) == ("2", 1, "4")
    assert (args.master_addr, args.master_port) == ("first", 1234)
    assert (args.module, args.training_script) == (True, "fairseq_cli.train")
    assert args.training_script_args[0] == str(data_bin)


@pytest.mark.parametrize(
    ("bf16", "flags", "expected"),
    [
        (True, "", {"--bf16"}),
        (False, "", {"--fp16"}),
        (True, "--precision fp16", {"--fp16"}),
        (True, "--precision fp32", set()),
        (True, "--fp16", {"--fp16"}),
    ],
)
def test_gpus_compute_in_the_half_precision_that_they_support(
    options: Read, bf16: bool, flags: str, expected: set[str]
) -> None:
    (command,) = build_commands(options(flags), Gpus(1, bf16=bf16), ONE_NODE)
    assert {"--bf16", "--fp16"} & set(command.argv) == expected


def test_one_process_on_the_cpu_is_fairseq_train_itself(options: Read) -> None:
    (command,) = build_commands(options(), CPU, ONE_NODE)
    assert command.argv[1:3] == ("-m", "fairseq_cli.train")
    assert set(command.environment) == {"MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_"}
    assert not {"--bf16", "--fp16", "--distributed-backend"} & set(command.argv)


def test_settings_of_malloc_are_the_users_if_there_are_any(
    options: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "100")
    (command,) = build_commands(options(), CPU, ONE_NODE)
    assert set(command.environment) == {"MALLOC_TRIM_THRESHOLD_"}
    (command,) = build_commands(options(), Gpus(1, bf16=True), ONE_NODE)
    assert command.environment == {}


@pytest.mark.parametrize(("node_rank", "ranks"), [(0, ["0", "1", "2"]), (1, ["3", "4", "5"])])
def test_processes_on_cpus_know_their_rank(options: Read, node_rank: int, ranks: list[str]) -> None:
    commands = build_commands(options("--processes 3"), CPU, Nodes(2, node_rank, "first", 99))
    assert [value(command, "--distributed-rank") for command in commands] == ranks
    for command in commands:
        assert value(command, "--distributed-init-method") == "tcp://first:99"
        assert value(command, "--distributed-world-size") == "6"
        assert value(command, "--distributed-backend") == "gloo"
        assert value(command, "--ddp-backend") == "legacy_ddp"
        assert {"--cpu", "--distributed-no-spawn"} < set(command.argv)
        assert command.environment["OMP_NUM_THREADS"] == "1"


def test_fewer_gpus_than_visible_are_allowed_but_not_more(options: Read) -> None:
    (command,) = build_commands(options("--processes 2"), Gpus(4, bf16=True), ONE_NODE)
    assert value(command, "--nproc_per_node") == "2"
    message = (
        "--processes must be at most the number of visible GPUs, 4, but is 5; "
        "--cpu trains without them."
    )
    with pytest.raises(UsageError, match=f"^{message}$"):
        build_commands(options("--processes 5"), Gpus(4, bf16=True), ONE_NODE)


def test_a_flag_of_the_user_overrides_the_recipe(options: Read) -> None:
    (command,) = build_commands(options("--lr 0.5 --seed=7"), CPU, ONE_NODE)
    assert value(command, "--lr") == "0.5"
    assert value(command, "--seed") == "7"
    assert "0.001" in command.argv


def test_own_flags_are_told_from_those_of_fairseq(options: Read) -> None:
    """--max is not taken for --max-tokens, and fairseq's flags keep their order."""
    mixed = options("--lr 0.1 --max-tokens 9 --adam-betas '(0.9, 0.98)' --max 3")
    assert mixed.max_tokens == 9
    assert mixed.flags == ("--lr", "0.1", "--adam-betas", "(0.9, 0.98)", "--max", "3")
    pairs = list(itertools.pairwise(build_commands(mixed, CPU, ONE_NODE)[0].argv))
    assert ("--max-tokens", "9") in pairs


def test_gpus_can_be_left_unused(options: Read) -> None:
    assert uses_gpus(options())
    assert not uses_gpus(options("--cpu --lr 0.1"))
