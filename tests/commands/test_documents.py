"""README.md and docs/: commands and Python run or are checked, links resolve."""

from __future__ import annotations

import pkgutil
import re
import runpy
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from fairseq import options as fairseq_options
from support.commandline import BIN, ROOT, fairseq, run_attn_nmt, run_command, shared_directory

import attn_nmt.models  # noqa: F401  registers the architectures
from attn_nmt.__main__ import main
from attn_nmt.data.lines import write_raw
from attn_nmt.data_card import DataCard
from attn_nmt.training import command as training_command
from attn_nmt.training import options as training_options

README = ROOT / "README.md"
# In this order the commands run: data first, then what is trained on it, then what reads that.
PAGES = ("data", "training", "translating", "evaluation", "mechanisms", "study")
OTHER_PAGES = (
    "performance",
    "results",
    "attention",
    "troubleshooting",
    "architecture",
    "extending",
    "index",
    "api",
)
SITE = ROOT / "docs"
DOCUMENTS = [*(SITE / f"{name}.md" for name in (*PAGES, *OTHER_PAGES)), README]

# Commands that do not run here, by how they begin, with the reason; their flags are checked.
CHECKED_ONLY = {
    "bash scripts/quickstart.sh": "minutes; test_quickstart.py runs it",
    "bash scripts/setup.sh": "minutes; test_setup.py runs it",
    "source .venv/bin/activate": "the environment is active",
    "bash scripts/test.sh": "it would run this test",
    "bash scripts/check_gpu.sh": "needs a GPU; test_gpu_check.py runs it on the CPU",
    "attn-nmt prepare multi30k": "needs the network; test_multi30k_en2de.py has a mirror",
    "attn-nmt prepare wmt14": "needs the network; test_wmt14_en2de.py has a mirror",
    "attn-nmt prepare text data/mine_sp": "like data/mine; test_own_text.py has sentencepiece",
    "attn-nmt train attn_transformer_wmt_en_de": "hours on GPUs",
    "attn-nmt train attn_transformer_tiny data/cldr_en2de/data-bin runs/two": "test_train.py runs "
    "two processes",
    "attn-nmt train attn_transformer_tiny data/cldr_en2de/data-bin runs/by_bleu": "minutes; "
    "test_fairseq_commands.py runs the flags",
    "attn-nmt train attn_transformer_tiny data/cldr_en2de/data-bin runs/cldr --tensor": "the "
    "package tensorboard is not a dependency",
    "attn-nmt train attn0110_tiny data/mine/data-bin": "like the other trainings",
    "attn-nmt translate runs/mine": "needs that training",
    "attn-nmt translate runs/cldr --window 1": "reads a terminal",
    "attn-nmt evaluate runs/cldr data/cldr_en2de/data-bin --int8": "test_evaluate.py runs it",
    "attn-nmt evaluate runs/base": "needs the training on GPUs",
    "attn-nmt average --output runs/base": "needs the training on GPUs",
    "attn-nmt study inspect runs/mechanisms": "needs a training of the study; test_inspect.py runs "
    "others",
    "attn-nmt study run": "many trainings, or SLURM; test_study_run.py runs both",
    "attn-nmt study collect": "needs the results of `study run`; test_report.py runs it",
    "attn-nmt study report": "needs the results of `study run`; tests/study makes some",
    "attn-nmt benchmark": "minutes on an idle machine; tests/benchmarking runs it",
    "srun": "needs SLURM; test_train.py sets its variables",
    "pip install": "needs the network",
    "tensorboard": "another program",
    "python3 -m venv comet": "needs the network",
    "comet/bin/comet-score": "another program, with a model of 2 GB",
}
NOT_OURS = (
    "pip install",
    "source .venv",
    "tensorboard",
    "python3 -m venv",
    "comet/bin/comet-score",
)
# `--nodes` only prints, so it runs although it looks like a training on GPUs.
RUNS_ANYWAY = re.compile(r"^attn-nmt train .* --nodes 2$")
# What makes a command short enough for a test; everything else is left as it is.
SHORTER = {
    r"(prepare cldr \S+)": r"\1 --train-pairs 1000 --valid-pairs 10 --test-pairs 10",
    r"held-out 1000": "held-out 20",
    # A model of four updates does not end its translation.
    r"(--text \".*?\")": r"\1 --target 'Wir lernen Mongolisch.'",
    r"--max-update \d+": "--max-update 4",
    r"--save-interval-updates 100\b": "--save-interval-updates 2",
    r"(attn-nmt evaluate \S+ \S+)": r"\1 --max-len-b 20",
    r"(checkpoint.save_dir=\S+)": r"\1 optimization.max_update=1 dataset.max_tokens=500 "
    "model.encoder_layers=1 model.decoder_layers=1",
}


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every command of all documents once, on one line, in the order in which they can run."""
    found = [
        line.strip()
        for page in DOCUMENTS
        for block in blocks(page, "bash")
        for line in re.sub(r"\\\n\s*", "", block).splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return list(dict.fromkeys(found))


def reason_not_to_run(command: str) -> str | None:
    if RUNS_ANYWAY.match(command):
        return None
    return next((why for start, why in CHECKED_ONLY.items() if command.startswith(start)), None)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory like the project's, in which all commands of the documents have run."""

    def make(directory: Path) -> None:
        for name in ("attn_nmt", "data_prep", "scripts"):
            (directory / name).symlink_to(ROOT / name)
        (directory / ".venv").symlink_to(BIN.parent)
        for block in blocks(ROOT / "docs" / "study.md", "yaml"):
            name = block.splitlines()[0].removeprefix("# ")
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(block, encoding="utf-8")
        (directory / "my").mkdir()
        (directory / "data" / "wmt14_en2de" / "data-bin").mkdir(parents=True)  # for --nodes 2
        shorter_used = set()
        for command in commands():
            if reason_not_to_run(command):
                continue
            for pattern, replacement in SHORTER.items():
                command, found = re.subn(pattern, replacement, command)
                shorter_used |= {pattern} if found else set()
            if command.startswith("attn-nmt prepare text"):
                _write_own_text(directory)
            _run(command, directory)
        assert shorter_used == set(SHORTER)

    return shared_directory(tmp_path_factory, "documents", make)


def _run(command: str, directory: Path) -> None:
    """Run a command by a shell or, if all that it needs are files to read and write, in a fork."""
    command = command.replace("$(attn-nmt path)", str(ROOT / "attn_nmt"))
    if re.search("[$|&;]", command):
        run_command("bash", "-euo", "pipefail", "-c", command, cwd=directory)
        return
    name, *words = shlex.split(command)
    if name.startswith("fairseq-"):
        fairseq(name.removeprefix("fairseq-"), *words, cwd=directory)
        return
    assert name == "attn-nmt", command
    files = {}
    for sign in "<>":
        if sign in words:
            at = words.index(sign)
            files[sign] = directory / words[at + 1]
            del words[at : at + 2]
    stdin = files["<"].read_text(encoding="utf-8") if "<" in files else None
    printed = run_attn_nmt(*words, cwd=directory, stdin=stdin).stdout
    if ">" in files:
        files[">"].write_text(printed, encoding="utf-8")


def _write_own_text(directory: Path) -> None:
    """my/train.de and others, which stand for the reader's text."""
    pairs = [(f"Zeile {number} ist hier.", f"Line {number} is here.") for number in range(300)]
    for split, part in (("train", pairs[:280]), ("test", pairs[280:])):
        write_raw(directory, split, part, ("de", "en"))
        for lang in ("de", "en"):
            (directory / "raw" / f"{split}.{lang}").replace(directory / "my" / f"{split}.{lang}")
    (directory / "raw").rmdir()


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    assert len(README.read_text(encoding="utf-8")) <= 12_000
    two = ["bash scripts/quickstart.sh\n", "bash scripts/test.sh\n"]
    assert blocks(README, "bash")[:2] == two


@pytest.mark.slow
def test_commands_run_in_order(checkout: Path) -> None:
    runs = checkout / "runs"
    assert (runs / "cldr" / "evaluation-test" / "scores.json").is_file()
    assert (runs / "hydra" / "checkpoint_last.pt").is_file()
    assert len((runs / "cldr" / "test.de").read_text().splitlines()) == 10
    assert len((runs / "cldr" / "nbest.tsv").read_text().splitlines()) == 30
    assert (runs / "mixed" / "inspection" / "arrays.npz").is_file()


@pytest.mark.slow
def test_python_blocks_run(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    found = [(page, block) for page in DOCUMENTS for block in blocks(page, "python")]
    assert len(found) >= 6
    for number, (page, block) in enumerate(found):
        script = checkout / f"{page.stem}{number}.py"
        script.write_text(block, encoding="utf-8")
        runpy.run_path(str(script))


def test_commands_that_do_not_run_have_known_flags(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unused = set(CHECKED_ONLY)
    for command in commands():
        unused -= {start for start in CHECKED_ONLY if command.startswith(start)}
        if reason_not_to_run(command) is None or command.startswith(NOT_OURS):
            continue
        words = shlex.split(command)
        if words[0] == "bash":
            known = _flags((ROOT / words[1]).read_text(encoding="utf-8"))
        else:
            words = words[words.index("attn-nmt") :]
            known = _flags(_help(words, monkeypatch, capsys)) | set(training_options.flags())
        others = _with_values(words, known)
        if words[1] == "train" or words[1:3] == ["study", "run"]:
            others = _unknown_to_fairseq_train(others)
        assert others == [], command
    assert unused == set()


def _help(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    depth = 3 if words[1] in ("prepare", "study", "benchmark") else 2
    monkeypatch.setattr("sys.argv", [*words[:depth], "--help"])
    with pytest.raises(SystemExit):
        main()
    return capsys.readouterr().out


def _flags(text: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z0-9-]*", text))


def _with_values(words: list[str], known: set[str]) -> list[str]:
    """The flags that are not known, each with its value."""
    kept, is_kept = [], False
    for word in words:
        if word.startswith("--"):
            is_kept = word.partition("=")[0] not in known
        if is_kept:
            kept.append(word)
    return kept


def _unknown_to_fairseq_train(flags: list[str]) -> list[str]:
    recipe = shlex.split(
        "data --arch attn_transformer_tiny --optimizer adam --lr-scheduler inverse_sqrt "
        "--criterion label_smoothed_cross_entropy"
    )
    parser = fairseq_options.get_training_parser()
    _, unknown = fairseq_options.parse_args_and_arch(
        parser, input_args=[*recipe, *flags], parse_known=True
    )
    return list(unknown)


def test_links_resolve() -> None:
    for page in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]:
        text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", text):
            file = (page.parent / target) if target else page
            assert file.exists(), f"{page.name}: {target}"
            # The site has nothing else.
            assert page.parent != SITE or SITE in file.resolve().parents, f"{page.name}: {target}"
            assert not anchor or anchor in _anchors(file), f"{page.name}: {target}#{anchor}"


def _anchors(page: Path) -> set[str]:
    """The names that the forge and mkdocs give to headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_files_in_the_tree_and_in_the_text_exist() -> None:
    tree = re.search(r"^```\nattn_nmt/.*?^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert tree is not None
    parent = Path()
    for line in tree[0].splitlines()[1:-1]:
        is_nested = line.startswith(" ")
        for name in re.match(r" *((?:\S+, )*\S+)", line)[1].split(", "):  # type: ignore[index]
            parent = parent if is_nested else Path(name)
            assert (ROOT / (parent / name if is_nested else name)).exists(), line
    for page in DOCUMENTS:
        named = re.findall(
            r"`((?:attn_nmt|tests|scripts|data_prep)/[\w/.]+)`", page.read_text("utf-8")
        )
        assert [name for name in named if not (ROOT / name).exists()] == [], page.name


def test_the_site_has_every_page_and_every_object_of_the_api() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = set(re.findall(r": (\w+\.md)$", text, re.MULTILINE))
    assert pages == {page.name for page in (ROOT / "docs").glob("*.md")}
    assert pages == {page.name for page in DOCUMENTS} - {"README.md"}
    assert yaml.safe_load(text)["strict"] is True
    for name in re.findall(r"^::: (\S+)$", (ROOT / "docs/api.md").read_text("utf-8"), re.MULTILINE):
        assert pkgutil.resolve_name(name).__doc__, name


def test_the_figure_is_what_its_script_draws(tmp_path: Path) -> None:
    script = ROOT / "docs" / "figures" / "terms_and_layer.py"
    drawn = runpy.run_path(str(script))["draw"]()
    assert drawn == script.with_suffix(".svg").read_text(encoding="utf-8")


def test_tables_of_batches_are_those_of_train() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (\d+) x \d+ \| (\d+) \| ([\d,]+) \|$", text, re.MULTILINE)
    rows += [
        ("1", *row)
        for row in re.findall(r"^\|[^|]+GB \| (\d+) \| (\d+) \| ([\d,]+) \|$", text, re.MULTILINE)
    ]
    assert len(rows) == 8
    for gpus, max_tokens, update_freq, tokens in rows:
        options = training_options.read(["arch", "data", "save", "--max-tokens", max_tokens])
        assert training_command.update_freq(options, int(gpus)) == update_freq
        assert int(gpus) * int(max_tokens) * int(update_freq) == int(tokens.replace(",", ""))


def test_every_field_of_the_data_card_is_documented() -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8").split("## The data card")[1]
    documented = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]+)\|", text, re.MULTILINE)))
    )
    assert documented == {field.name for field in fields(DataCard)}
