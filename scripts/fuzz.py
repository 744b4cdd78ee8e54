"""Try what the tests try a sample of: random flags, damaged files, killed commands.

python scripts/fuzz.py flags --count 2000
python scripts/fuzz.py files --count 100
python scripts/fuzz.py kills --count 10

``--first`` is the first seed. Each failure is printed with its seed; the last line has the counts.
"""

from __future__ import annotations

import logging
import random
import sys
import tempfile
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(1, str(Path(__file__).parents[1] / "tests"))

from attn_nmt.command_line import UsageError, at_least, positive, run
from attn_nmt.progress import Progress

Trial = Callable[[], str]


def flag_trials(seeds: range) -> Iterator[tuple[str, Trial]]:
    """Yield a trial for each seed: flags are refused, or a model trains and decodes."""
    from support.fuzz_flags import check, draw_flags, refusal

    for seed in seeds:

        def trial(seed: int = seed) -> str:
            flags = draw_flags(seed)
            if refusal(flags) is not None:
                return "refused"
            check(flags)
            return "worked"

        yield f"flags {seed}", trial


def file_trials(seeds: range) -> Iterator[tuple[str, Trial]]:
    """Yield a trial for each kind of file and seed."""
    from support.fuzz_files import KINDS

    directory = tempfile.TemporaryDirectory()
    for kind in KINDS:
        for seed in seeds:

            def trial(kind: Callable[..., bool] = kind, seed: int = seed) -> str:
                accepted = kind(Path(directory.name), random.Random(seed))
                return "worked" if accepted else "refused"

            yield f"{kind.__name__} {seed}", trial


def kill_trials(seeds: range) -> Iterator[tuple[str, Trial]]:
    """Yield a trial for each command and seed."""
    from support.fuzz_kills import CASES, KillRunner

    directory = tempfile.TemporaryDirectory()
    runner = KillRunner(Path(directory.name) / "work")
    for seed in seeds:
        for name in CASES:

            def trial(name: str = name, seed: int = seed) -> str:
                return f"killed {runner.disturb(name, seed)} times"

            yield f"{name} {seed}", trial


TRIALS = {"flags": flag_trials, "files": file_trials, "kills": kill_trials}


def main() -> None:
    """Run the trials, and fail if one of them did."""
    parser = ArgumentParser(prog="fuzz.py", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=TRIALS)
    parser.add_argument("--count", type=positive("--count"), default=100, metavar="N")
    parser.add_argument("--first", type=at_least(0, "--first"), default=0, metavar="SEED")
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # fairseq's, and of settings that are dropped
    counts: Counter[str] = Counter()
    trials = range(args.first, args.first + args.count)
    with Progress("tried", total=args.count) as progress:
        for name, trial in TRIALS[args.what](trials):
            try:
                counts[trial()] += 1
            except Exception as error:  # whatever it is, it is what is looked for
                counts["failed"] += 1
                reason = " ".join(str(error).split())[:500]
                progress.write(f"{name}: {type(error).__name__}: {reason}")
            progress.update()
    print(", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())))
    if counts["failed"]:
        raise UsageError(f"Every trial must succeed, but {counts['failed']} failed.")


if __name__ == "__main__":
    run(main)
