"""From options and devices to commands, for machines that the tests do not have."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from support.training_options import options

from attn_nmt.command_line import UsageError
from attn_nmt.training.devices import Gpus, Nodes
from attn_nmt.training.plan import Command, plan, uses_gpus
from attn_nmt.training.recipe import given

ONE_NODE = Nodes(1, 0, "127.0.0.1", 4321)
CPU = Gpus(0, bf16=False)


def value(command: Command, flag: str) -> str | None:
    return given(command.argv, flag)


@pytest.mark.parametrize(
    ("gpus", "node_count", "freq"),
    [(1, 1, "7"), (4, 1, "2"), (8, 1, "1"), (1, 2, "4"), (8, 2, "1")],
)
def test_gpus_are_started_by_torchrun_unless_there_is_one(
    data_bin: Path, gpus: int, node_count: int, freq: str
) -> None:
    nodes = Nodes(node_count, node_count - 1, "first", 1234)
    (command,) = plan(options(data_bin), Gpus(gpus, bf16=True), nodes)
    assert value(command, "--distributed-world-size") == str(gpus * node_count)
    assert value(command, "--update-freq") == freq
    assert command.environment == {}
    assert "--cpu" not in command.argv
    if gpus * node_count == 1:
        assert command.argv[1:3] == ("-m", "fairseq_cli.train")
        return
    end = command.argv.index("fairseq_cli.train")
    assert list(command.argv[1 : end + 1]) == [
        "-m",
        "torch.distributed.run",
        "--nnodes",
        str(node_count),
        "--node_rank",
        str(node_count - 1),
        "--nproc_per_node",
        str(gpus),
        "--master_addr",
        "first",
        "--master_port",
        "1234",
        "-m",
        "fairseq_cli.train",
    ]


def test_torchrun_accepts_what_is_planned(data_bin: Path) -> None:
    """Its own parser reads the flags: a misspelt one would only show on a machine with GPUs."""
    from torch.distributed.run import get_args_parser

    (command,) = plan(options(data_bin), Gpus(4, bf16=True), Nodes(2, 1, "first", 1234))
    start = command.argv.index("torch.distributed.run") + 1
    found = get_args_parser().parse_args(command.argv[start:])
    assert (found.nnodes, found.node_rank, found.nproc_per_node) == ("2", 1, "4")
    assert (found.master_addr, found.master_port) == ("first", 1234)
    assert (found.module, found.training_script) == (True, "fairseq_cli.train")
    assert found.training_script_args[0] == str(data_bin)


@pytest.mark.parametrize(
    ("bf16", "flags", "expected"),
    [
        (True, [], {"--bf16"}),
        (False, [], {"--fp16"}),
        (True, ["--precision", "fp16"], {"--fp16"}),
        (True, ["--precision", "fp32"], set()),
        (True, ["--fp16"], {"--fp16"}),
    ],
)
def test_gpus_compute_in_the_half_precision_they_have(
    data_bin: Path, bf16: bool, flags: list[str], expected: set[str]
) -> None:
    (command,) = plan(options(data_bin, *flags), Gpus(1, bf16=bf16), ONE_NODE)
    assert {"--bf16", "--fp16"} & set(command.argv) == expected


def test_one_process_on_the_cpu_is_fairseq_train_itself(data_bin: Path) -> None:
    (command,) = plan(options(data_bin), CPU, ONE_NODE)
    assert command.argv[1:3] == ("-m", "fairseq_cli.train")
    assert command.environment == {}
    assert not {"--bf16", "--fp16", "--distributed-backend"} & set(command.argv)


@pytest.mark.parametrize(("node_rank", "ranks"), [(0, ["0", "1", "2"]), (1, ["3", "4", "5"])])
def test_processes_on_cpus_know_their_rank(
    data_bin: Path, node_rank: int, ranks: list[str]
) -> None:
    chosen = options(data_bin, "--processes", "3")
    commands = plan(chosen, CPU, Nodes(2, node_rank, "first", 99))
    assert [value(command, "--distributed-rank") for command in commands] == ranks
    for command in commands:
        assert value(command, "--distributed-init-method") == "tcp://first:99"
        assert value(command, "--distributed-world-size") == "6"
        assert value(command, "--distributed-backend") == "gloo"
        assert value(command, "--ddp-backend") == "legacy_ddp"
        assert {"--cpu", "--distributed-no-spawn"} < set(command.argv)
        assert command.environment["OMP_NUM_THREADS"] == "1"


def test_fewer_gpus_than_visible_but_not_more(data_bin: Path) -> None:
    (command,) = plan(options(data_bin, "--processes", "2"), Gpus(4, bf16=True), ONE_NODE)
    assert value(command, "--nproc_per_node") == "2"
    message = (
        "--processes must be at most the number of visible GPUs, 4, but is 5; "
        "--cpu trains without them."
    )
    with pytest.raises(UsageError, match=f"^{message}$"):
        plan(options(data_bin, "--processes", "5"), Gpus(4, bf16=True), ONE_NODE)


def test_a_flag_of_the_user_comes_later_and_wins(data_bin: Path) -> None:
    (command,) = plan(options(data_bin, "--lr", "0.5", "--seed=7"), CPU, ONE_NODE)
    assert value(command, "--lr") == "0.5"
    assert value(command, "--seed") == "7"
    assert "0.001" in command.argv


def test_values_between_other_flags_are_told_apart(data_bin: Path) -> None:
    """--max must not be taken for --max-tokens, and what is fairseq's keeps its order."""
    flags = ["--lr", "0.1", "--max-tokens", "9", "--adam-betas", "(0.9, 0.98)", "--max", "3"]
    chosen = options(data_bin, *flags)
    assert chosen.max_tokens == 9
    assert chosen.flags == ("--lr", "0.1", "--adam-betas", "(0.9, 0.98)", "--max", "3")
    pairs = list(itertools.pairwise(plan(chosen, CPU, ONE_NODE)[0].argv))
    assert ("--max-tokens", "9") in pairs


def test_gpus_can_be_left_alone(data_bin: Path) -> None:
    assert uses_gpus(options(data_bin))
    assert not uses_gpus(options(data_bin, "--cpu", "--lr", "0.1"))
