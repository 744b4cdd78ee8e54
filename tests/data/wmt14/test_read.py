"""The text of the archives: published numbers of lines, and SGM."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.wmt14_mirror import sgm

from attn_nmt.command_line import UsageError
from attn_nmt.data.wmt14.archives import Archive, Member
from attn_nmt.data.wmt14.read import check_counts, read_segments, read_sgm_pairs

ARCHIVE = Archive("a.tgz", "wmt/x", Member("a.en", 3), Member("a.de", 3), "train", 1)


@pytest.mark.parametrize("text", ["x\ny\nz\n", "x\ny\nz"])
def test_published_counts_are_accepted(tmp_path: Path, text: str) -> None:
    for lang in ("en", "de"):
        (tmp_path / f"a.{lang}").write_text(text)
    assert check_counts([ARCHIVE], tmp_path, allow_subset=False) == {}


def test_other_counts_are_refused_with_both_numbers_unless_allowed(tmp_path: Path) -> None:
    for lang in ("en", "de"):
        (tmp_path / f"a.{lang}").write_text("x\ny\n")
    message = (
        "a.en of a.tgz must have 3 lines, but has 2; get the archive again, or accept a part of "
        "the corpus with --allow-subset."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        check_counts([ARCHIVE], tmp_path, allow_subset=False)
    subset = check_counts([ARCHIVE], tmp_path, allow_subset=True)
    assert subset == {"a.en": [2, 3], "a.de": [2, 3]}


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
