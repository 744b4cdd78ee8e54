"""Running fairseq-generate on one split, and its hypotheses in the order of the sentences."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from attn_nmt.child_log import LogReader, reason, warning_in
from attn_nmt.child_processes import running
from attn_nmt.command_line import UsageError
from attn_nmt.data_card import DataCard
from attn_nmt.progress import Progress, cut
from attn_nmt.search import SearchOptions

# Flags of the user come later and override it.
_MAX_TOKENS = ("--max-tokens", str(SearchOptions.max_tokens))
# A line for each batch, by which the progress is shown.
_PROGRESS = shlex.split("--log-format simple --log-interval 1")
_BATCH = re.compile(r"progress_bar\b.*?(\d+) / (\d+) wps=")
_HYPOTHESIS = re.compile(r"H-(\d+)\t\S+\t?(.*)")

LOG, FAILED_LOG = "generate.log", "generate-failed.log"
_POLL_INTERVAL = 0.1


class GenerateFailed(UsageError):
    """fairseq-generate failed."""


def generate(
    checkpoint: Path, data_bin: Path, card: DataCard, split: str, directory: Path, flags: list[str]
) -> Path:
    """Translate ``split`` and return fairseq-generate's output, written into ``directory``.

    Progress goes to standard error, and everything that fairseq-generate says to ``LOG`` beside it.

    Raises:
        GenerateFailed: if fairseq-generate fails, with the sentence that says why.
    """
    command = [sys.executable, "-m", "fairseq_cli.generate", str(data_bin)]
    command += ["--user-dir", str(Path(__file__).parents[1]), "--path", str(checkpoint)]
    command += ["--source-lang", card.source_lang, "--target-lang", card.target_lang]
    command += ["--post-process", card.subwords.post_process, *_MAX_TOKENS, *_PROGRESS, *flags]
    command += ["--gen-subset", split, "--results-path", str(directory)]
    log = directory / LOG
    with log.open("wb", buffering=0) as output:
        output.write(f"$ {shlex.join(command)}\n".encode())
        with running(command, stdout=output, stderr=subprocess.STDOUT) as process:
            _show(process, log, f"translating {split} with {checkpoint.name}")
    if process.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise GenerateFailed(reason(lines, process.returncode))
    return directory / f"generate-{split}.txt"


def _show(process: subprocess.Popen[bytes], log: Path, what: str) -> None:
    """Show the progress until the process ends: its batches, and warnings."""
    warnings: set[str] = set()
    with closing(LogReader(log, start=0)) as reader, Progress(what, unit="batches") as progress:
        while True:
            has_ended = process.poll() is not None
            for line in reader.new_lines():
                if match := _BATCH.search(line):
                    if progress.total is None:
                        progress.write(f"{what}: {match[2]} batches")
                    progress.total = int(match[2])
                    progress.move_to(int(match[1]))
                elif (warning := warning_in(line)) and warning not in warnings:
                    warnings.add(warning)
                    progress.write(cut(f"warning: {warning}"))
            if has_ended:
                return
            progress.refresh()
            time.sleep(_POLL_INTERVAL)


def read_hypotheses(path: Path, *, sentences: int) -> list[str]:
    """Return the best hypothesis of each sentence by ascending id, subwords already joined.

    Raises:
        UsageError: unless there is one for every sentence of the reference.
    """
    best: dict[int, str] = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        if match := _HYPOTHESIS.fullmatch(line):
            # With --nbest the best comes first.
            best.setdefault(int(match[1]), match[2])
    if sorted(best) != list(range(sentences)):
        missing = sorted(set(range(sentences)) - set(best))
        raise UsageError(
            f"{path} must hold a hypothesis for each of the {sentences} reference sentences, but "
            f"holds {len(best)}"
            + (f"; the first one missing is number {missing[0]}." if missing else ".")
        )
    return [best[number] for number in range(sentences)]
