"""The parts of WMT14's preparation: known counts, segments, punctuation, what is dropped."""

from __future__ import annotations

import itertools
import re
import time
from argparse import Namespace
from pathlib import Path

import pytest
from data_prep.wmt14.sgm import read_segments, read_sgm_pairs
from support.wmt14_mirror import sgm

from attn_nmt.command_line import UsageError
from data_prep.parallel import mapped
from data_prep.steps import Steps
from data_prep.wmt14 import read
from data_prep.wmt14.archives import Archive, Member, chosen
from data_prep.wmt14.clean import pair_cleaner, reason_to_drop
from data_prep.wmt14.read import check_counts, get_archive

ARCHIVE = Archive("a.tgz", "wmt/x", Member("a.en", 3), Member("a.de", 3), "train", 1)


@pytest.mark.parametrize("text", ["x\ny\nz\n", "x\ny\nz"])
def test_known_counts_pass(tmp_path: Path, text: str) -> None:
    for lang in ("en", "de"):
        (tmp_path / f"a.{lang}").write_text(text)
    assert check_counts([ARCHIVE], tmp_path, allow_subset=False) == {}


def test_other_counts_name_both_numbers_and_what_to_do(tmp_path: Path) -> None:
    for lang in ("en", "de"):
        (tmp_path / f"a.{lang}").write_text("x\ny\n")
    message = (
        "a.en of a.tgz must have 3 lines, but has 2; get the archive again, or accept a part of "
        "the corpus with --allow-subset."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        check_counts([ARCHIVE], tmp_path, allow_subset=False)
    found = check_counts([ARCHIVE], tmp_path, allow_subset=True)
    assert found == {"a.en": [2, 3], "a.de": [2, 3]}


def test_the_corpus_is_the_known_one() -> None:
    archives = chosen(news_commentary="9", valid="newstest2013")
    training = sum(archive.source.lines for archive in archives if archive.split == "train")
    assert training == 4_520_620
    assert [archive.split for archive in archives] == ["train"] * 3 + ["valid", "test"]
    assert [a.split for a in chosen(news_commentary="12", valid="held-out")] == (
        ["train"] * 3 + ["test"]
    )


def test_public_places_are_tried_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = []

    def fetch(name: str, place: str, folder: Path) -> Path:
        tried.append(place)
        if len(tried) < 3:
            raise UsageError(f"{place} is out of order.")
        (folder / name).write_bytes(b"archive")
        return folder / name

    monkeypatch.setattr(read, "fetch", fetch)
    options = Namespace(mirror=None, allow_subset=False)
    assert get_archive(ARCHIVE, tmp_path, options) == tmp_path / "a.tgz"
    assert tried == [
        "https://www.statmt.org/x",
        "http://www.statmt.org/x",
        "http://statmt.org/x",
    ]
    assert capsys.readouterr().err.count("out of order") == 2
    get_archive(ARCHIVE, tmp_path, options)
    assert len(tried) == 3


def test_segments_have_entities_and_may_span_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.sgm"
    path.write_text(
        '<refset setid="x"><DOC sysid="ref" docid="d1" genre="news">\n'
        '<hl><seg id="1">R&amp;D &lt;b&gt; &quot;x&quot;\n goes on\t here </seg></hl>\n'
        "</DOC>\n<doc docid='d2'><seg id='1'>\u00c4 &#8211; A\u0308</seg></doc></refset>\n",
        encoding="utf-8",
    )
    assert read_segments(path) == {
        ("d1", "1"): 'R&D <b> "x" goes on here',
        ("d2", "1"): "\u00c4 \u2013 \u00c4",
    }


def test_a_missing_or_empty_segment_is_named(tmp_path: Path) -> None:
    source, target = tmp_path / "a.en.sgm", tmp_path / "a.de.sgm"
    source.write_bytes(sgm(["one", "two", "three"]))
    for data in (sgm(["eins", ""]), sgm(["eins"])):
        target.write_bytes(data)
        message = (
            f"{target} must hold a text for each segment of the other side, but segment 2 of "
            "document news-1 is missing; --allow-subset leaves it out."
        )
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            read_sgm_pairs(source, target, allow_missing=False)
        assert read_sgm_pairs(source, target, allow_missing=True) == [("one", "eins")]


@pytest.mark.parametrize(
    ("lang", "text", "tokens"),
    [
        (
            "en",
            "He said: \u201eHello\u201c \u2013 it\u2019s\u2026",
            'He said : " Hello " - it \'s ...',
        ),
        ("en", "soft\u00adhyphen\u200band\u0007bell", "soft hyphen and bell"),
        ("en", "a well-known co-op", "a well-known co-op"),
        ("en", "R&D <b> | [x]", "R & D < b > | [ x ]"),
        ("de", "Das ist z.B. am 3. Mai 1.000,50 Euro.", "Das ist z.B. am 3. Mai 1.000,50 Euro ."),
    ],
)
def test_text_is_normalised_and_tokenised_as_moses_does(lang: str, text: str, tokens: str) -> None:
    found = pair_cleaner(aggressive_hyphens=False)((text, text)).tokens
    assert found[("en", "de").index(lang)] == tokens


def test_hyphens_are_split_if_asked_for() -> None:
    clean = pair_cleaner(aggressive_hyphens=True)
    assert clean(("well-known", "E-Mail")).tokens == ("well @-@ known", "E @-@ Mail")


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        (1, 1, None),
        (0, 3, "blank"),
        (3, 0, "blank"),
        (250, 250, None),
        (251, 250, "more than 250 tokens"),
        (250, 251, "more than 250 tokens"),
        (3, 2, None),
        (2, 3, None),
        (4, 2, "more than 1.5 times as long"),
        (2, 4, "more than 1.5 times as long"),
        (16, 10, "more than 1.5 times as long"),
        (15, 10, None),
    ],
)
def test_pairs_are_dropped_as_moses_does(source: int, target: int, reason: str | None) -> None:
    assert reason_to_drop(("x " * source, "y " * target)) == reason


def _slow_negation() -> object:
    def negate(number: int) -> int:
        time.sleep(0.0001)
        return -number

    return negate


def test_items_are_read_no_faster_than_results_are_taken() -> None:
    """An endless input, which a pool's own imap would read into memory."""
    read = itertools.count()
    found = mapped(_slow_negation, (next(read) for _ in itertools.repeat(0)), workers=2)
    assert list(itertools.islice(found, 3000)) == [-number for number in range(3000)]
    found.close()
    assert next(read) < 3000 + 2 * 4 * 1000 + 1000


def test_a_step_is_done_again_if_anything_before_it_changed(tmp_path: Path) -> None:
    done: list[str] = []

    def go(*settings: int) -> list[str]:
        done.clear()
        steps = Steps(tmp_path, total=2)
        for name, setting in zip("ab", settings, strict=True):

            def do(name: str = name) -> None:
                done.append(name)
                (tmp_path / name).write_text(name)

            steps.run(name, do, makes=[name], settings=setting)
        return list(done)

    assert go(1, 1) == ["a", "b"]
    assert go(1, 1) == []
    assert go(1, 2) == ["b"]
    assert go(2, 2) == ["a", "b"]
    (tmp_path / "b").unlink()
    assert go(2, 2) == ["b"]
