"""WMT14 by its command, from a small mirror: options, bad archives, interruptions."""

from __future__ import annotations

import functools
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from commandline import BIN, ROOT, run_command
from fairseq.data import Dictionary, data_utils
from wmt14_mirror import SIZES, TEST_ARCHIVE, TEST_MEMBERS, contents, pack, sgm

from attn_nmt.data_card import DataCard, sha256

SCRIPT = "data_prep/prepare_wmt14_en2de.sh"
EUROPARL = "training-parallel-europarl-v7.tgz"
COMMON_CRAWL = "training-parallel-commoncrawl.tgz"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("mirror"), contents())


def make(out_dir: Path, mirror: object, *flags: object, check: bool = True) -> str:
    result = run_command(
        "bash", SCRIPT, out_dir, "--mirror", mirror, "--allow-subset", "--bpe-merges", 400, *flags,
        check=check,
    )  # fmt: skip
    return result.stderr


def checksums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path) for path in files}


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


@pytest.fixture(scope="module")
def prepared(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out_dir = tmp_path_factory.mktemp("prepared") / "wmt14"
    make(out_dir, mirror)
    return out_dir


def test_all_parts_come_together(prepared: Path) -> None:
    card = DataCard.read(prepared)
    training = SIZES["europarl"] + SIZES["commoncrawl"] + SIZES["news"]
    assert card.lines["train"] + sum(card.dropped.values()) == training
    assert (card.lines["valid"], card.lines["test"]) == (SIZES["valid"], SIZES["test"])
    found = data_utils.load_indexed_dataset(
        str(prepared / "data-bin" / "train.en-de.de"), Dictionary.load(
            str(prepared / "data-bin" / "dict.de.txt")))  # fmt: skip
    assert len(found) == card.lines["train"]
    files = contents()
    source, target = files["dev.tgz"].values()
    assert (prepared / "raw" / "valid.en").read_bytes() == source
    assert (prepared / "raw" / "valid.de").read_bytes() == target
    assert "&" not in (prepared / "raw" / "test.en").read_text(encoding="utf-8")
    assert not (prepared / "text").exists()


def test_the_card_says_what_is_not_the_known_corpus(prepared: Path) -> None:
    card = DataCard.read(prepared)
    assert card.subset["europarl-v7.de-en.en"] == [SIZES["europarl"], 1_920_209]
    assert card.subset["newstest2014-deen-ref.de.sgm"] == [SIZES["test"], 3003]
    assert card.options["aggressive_hyphens"] is False
    assert checksums(prepared) == {**card.files, "data_card.json": sha256(
        prepared / "data_card.json")}  # fmt: skip


def test_a_second_run_does_nothing(prepared: Path, mirror: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in prepared.rglob("*")}
    assert "prepared already" in make(prepared, mirror)
    assert {path: path.stat().st_mtime_ns for path in prepared.rglob("*")} == before


def test_two_workers_make_the_same_files(prepared: Path, mirror: Path, tmp_path: Path) -> None:
    said = make(tmp_path / "two", mirror, "--workers", 2)
    assert checksums(tmp_path / "two") == checksums(prepared)
    assert "Traceback" not in said


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_word(mirror: Path, tmp_path: Path, sign: int) -> None:
    """Also with several processes, all of which the terminal's Ctrl-C reaches."""
    command = ["bash", SCRIPT, str(tmp_path / "out"), "--mirror", str(mirror), "--allow-subset"]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        [*command, "--workers", "2"], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, "PATH": path},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if "[2/6]" in line:
                break
        os.killpg(process.pid, sign)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert rest.splitlines()[-1].endswith("interrupted")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sentencepiece_works_on_normalised_text(mirror: Path, tmp_path: Path, kind: str) -> None:
    make(tmp_path / "sp", mirror, "--subword", "sentencepiece", "--sentencepiece-type", kind)
    pieces = lines(tmp_path / "sp" / "subwords" / "train.de")
    text = lines(tmp_path / "sp" / "normalized" / "train.de")
    assert [line.replace(" ", "").replace("▁", " ").strip() for line in pieces] == text
    assert not (tmp_path / "sp" / "tokens").exists()


def test_a_hundredth_can_be_held_out(prepared: Path, mirror: Path, tmp_path: Path) -> None:
    make(tmp_path / "held", mirror, "--valid", "held-out", "--news-commentary", 12)
    card, whole = DataCard.read(tmp_path / "held"), DataCard.read(prepared)
    assert card.lines["valid"] == whole.lines["train"] // 100 > 0
    assert card.lines["train"] + card.lines["valid"] == whole.lines["train"]
    assert "newstest2013.en" not in card.subset
    assert "news-commentary-v12.de-en.en" in card.subset
    held, tokens = (lines(folder / "tokens" / name) for folder, name in (
        (tmp_path / "held", "valid.de"), (prepared, "train.de")))  # fmt: skip
    assert held == tokens[99::100]
    raw = (tmp_path / "held" / "raw" / "valid.de").read_text(encoding="utf-8")
    assert raw.count("\n") == len(held)


def test_hyphens_may_be_split(mirror: Path, tmp_path: Path) -> None:
    make(tmp_path / "split", mirror, "--aggressive-hyphens")
    assert DataCard.read(tmp_path / "split").options["aggressive_hyphens"] is True
    assert " @-@ " in (tmp_path / "split" / "tokens" / "train.en").read_text(encoding="utf-8")


class Dropping(SimpleHTTPRequestHandler):
    """Sends 3,000 bytes at a time and breaks off; goes on where it is asked to."""

    def do_GET(self) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + 3000])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(mirror: Path) -> Iterator[str]:
    handler = functools.partial(Dropping, directory=str(mirror))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_server_that_drops_connections(prepared: Path, server: str, tmp_path: Path) -> None:
    """Every archive takes several attempts; they are kept, for other options."""
    make(tmp_path / "got", server)
    found = checksums(tmp_path / "got")
    kept = {name for name in found if name.startswith("archives/")}
    assert len(kept) == 5
    same = {name: value for name, value in found.items() if name not in kept}
    del same["data_card.json"]
    expected = checksums(prepared)
    del expected["data_card.json"]
    assert same == expected


# Stands in for a kill in the middle of a step: half of its output is there, the step not recorded.
KILLED = """
import os, signal, sys
from data_prep.steps import Steps
whole, at = Steps.run, int(sys.argv.pop(1))
def run(self, name, do, *, makes, settings):
    def half():
        do()
        for made in makes:
            path = self.folder / made
            for file in [path] if path.is_file() else sorted(path.rglob("*")):
                if file.is_file():
                    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, name, half if self._number == at else do, makes=makes, settings=settings)
Steps.run = run
from attn_nmt.command_line import run as start
from data_prep.wmt14_en2de import main
start(main)
"""


def test_a_run_killed_in_each_step_ends_in_the_same_files(
    prepared: Path, mirror: Path, tmp_path: Path
) -> None:
    out_dir = tmp_path / "killed"
    flags = ["--mirror", str(mirror), "--allow-subset", "--bpe-merges", "400"]
    for step in range(5):
        result = subprocess.run(
            [sys.executable, "-c", KILLED, str(step), str(out_dir), *flags],
            cwd=ROOT, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert result.returncode == -signal.SIGKILL, result.stderr
        assert result.stderr.count("(done before)") == max(0, step - 1)
        assert not out_dir.exists()
    assert make(out_dir, mirror).count("(done before)") == 4
    assert checksums(out_dir) == checksums(prepared)


def test_a_changed_archive_is_taken_anew(mirror: Path, prepared: Path, tmp_path: Path) -> None:
    """What was prepared from other archives before the interruption is not taken over."""
    other, out_dir = tmp_path / "mirror", tmp_path / "out"
    files = contents()
    name = "training/europarl-v7.de-en"
    for lang in ("en", "de"):
        files[EUROPARL][f"{name}.{lang}"] = b"one\n" * SIZES["europarl"]
    pack(other, files)
    flags = ["--mirror", str(other), "--allow-subset", "--bpe-merges", "400"]
    subprocess.run(
        [sys.executable, "-c", KILLED, "3", str(out_dir), *flags],
        cwd=ROOT, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    make(out_dir, mirror)
    assert checksums(out_dir) == checksums(prepared)


def truncated(folder: Path) -> None:
    path = folder / EUROPARL
    path.write_bytes(path.read_bytes()[:2000])


def add(archive: str, entry: tarfile.TarInfo, data: bytes = b"") -> Callable[[Path], None]:
    """Return what puts one more entry into an archive."""

    def change(folder: Path) -> None:
        files = contents()[archive]
        with tarfile.open(folder / archive, "w:gz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))

    return change


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def replaced(
    archive: str, member: str, data: Callable[[bytes], bytes | None]
) -> Callable[[Path], None]:
    """Return what changes one member of an archive, or leaves it out."""

    def change(folder: Path) -> None:
        files = contents()[archive]
        changed = data(files.pop(member))
        pack(folder, {archive: files if changed is None else {**files, member: changed}})

    return change


EUROPARL_DE = "training/europarl-v7.de-en.de"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (truncated, EUROPARL + " must be a whole tar archive, but is damaged: "),
        (
            lambda folder: (folder / COMMON_CRAWL).unlink(),
            f"--mirror must hold the file {COMMON_CRAWL}, but ",
        ),
        (
            add(EUROPARL, entry("../outside"), b"x"),
            "must stay in its folder, but holds the path ../outside.",
        ),
        (
            add(EUROPARL, entry("/etc/x"), b"x"),
            "must stay in its folder, but holds the path /etc/x.",
        ),
        (
            add(EUROPARL, entry("training/link", tarfile.SYMTYPE, "/etc/passwd")),
            "must hold files and folders only, but training/link is a link or a device.",
        ),
        (
            add(EUROPARL, entry("training/device", tarfile.CHRTYPE)),
            "must hold files and folders only, but training/device is a link or a device.",
        ),
        (
            replaced(EUROPARL, EUROPARL_DE, lambda data: None),
            f"must hold the file {EUROPARL_DE}, but it is missing.",
        ),
        (
            replaced(EUROPARL, EUROPARL_DE, lambda data: data + b"noch eine\n"),
            "must have as many lines as each other, but have 240 and 241.",
        ),
        (
            replaced(EUROPARL, EUROPARL_DE, lambda data: b"ein\xff" + data[3:]),
            "must be UTF-8, but line 1 holds the byte 0xff at column 4.",
        ),
        (
            replaced(TEST_ARCHIVE, TEST_MEMBERS[1], lambda data: b"<srcset></srcset>"),
            "must hold <seg> elements, but has none.",
        ),
        (
            replaced(TEST_ARCHIVE, TEST_MEMBERS[1], lambda data: data.replace(b'"2"', b'"1"')),
            "must hold a segment once, but segment 1 of document news-1 stands twice.",
        ),
    ],
)  # fmt: skip
def test_a_bad_archive_is_one_sentence(
    mirror: Path, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    folder = shutil.copytree(mirror, tmp_path / "mirror")
    change(folder)
    stderr = make(tmp_path / "out", folder, check=False)
    errors = [line for line in stderr.splitlines() if "error" in line.lower()]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert message in errors[0]
    assert stderr.splitlines()[-1] == errors[0]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "outside").exists()


def test_another_archive_than_the_known_one_must_be_accepted(mirror: Path, tmp_path: Path) -> None:
    result = run_command("bash", SCRIPT, tmp_path / "out", "--mirror", mirror, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "must have the SHA-256 0224c7c7" in line
    assert line.endswith("get it again, or accept another version of it with --allow-subset.")


def test_a_download_that_is_not_the_known_one_is_not_kept(server: str, tmp_path: Path) -> None:
    """The next run gets it again."""
    result = run_command("bash", SCRIPT, tmp_path / "out", "--mirror", server, check=False)
    assert result.returncode == 1
    assert "must have the SHA-256 0224c7c7" in result.stderr.splitlines()[-1]
    assert not (tmp_path / ".out.partial" / "archives" / EUROPARL).exists()


def test_strange_lines_go_through_or_are_left_out(mirror: Path, tmp_path: Path) -> None:
    """Windows line ends, tabs and U+2028 become blanks; blank and endless lines are dropped."""
    folder = shutil.copytree(mirror, tmp_path / "mirror")
    strange = {
        b"one tab\there\r\n": b"ein Tab\thier\r\n",
        "a separator\u2028inside\n".encode(): "ein Trenner\u2028innen\n".encode(),
        b"nothing there\n": b"\n",
        b"word " * 10_000 + b"\n": b"Wort " * 10_000 + b"\n",
        b"far too short\n": b"viel zu lang " * 3 + b"\n",
    }
    files = contents()[EUROPARL]
    for name, added in zip(files, (strange.keys(), strange.values()), strict=True):
        files[name] = b"".join(added) + files[name]
    pack(folder, {EUROPARL: files})
    make(tmp_path / "out", folder)
    card = DataCard.read(tmp_path / "out")
    tokens = [lines(tmp_path / "out" / "tokens" / f"train.{lang}") for lang in ("en", "de")]
    assert tokens[0][:2] == ["one tab here", "a separator inside"]
    assert tokens[1][:2] == ["ein Tab hier", "ein Trenner innen"]
    assert card.dropped["blank"] == card.dropped["more than 250 tokens"] == 1
    assert len(tokens[0]) == len(tokens[1]) == card.lines["train"]


def test_segments_are_paired_by_name(mirror: Path, tmp_path: Path) -> None:
    """A segment that one side lacks is left out of both, not moved to another."""
    folder = shutil.copytree(mirror, tmp_path / "mirror")
    source = sgm([f"sentence {number}" for number in range(5)])
    target = sgm([f"Satz {number}" for number in range(5)])
    without = target.replace(b'<seg id="3">Satz 2</seg>\n', b"")
    pack(folder, {TEST_ARCHIVE: dict(zip(TEST_MEMBERS, (source, without), strict=True))})
    make(tmp_path / "out", folder)
    assert lines(tmp_path / "out" / "raw" / "test.en") == [
        "sentence 0", "sentence 1", "sentence 3", "sentence 4",
    ]  # fmt: skip
    assert lines(tmp_path / "out" / "raw" / "test.de") == ["Satz 0", "Satz 1", "Satz 3", "Satz 4"]
