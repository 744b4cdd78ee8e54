"""The archives of WMT14 English-German: where they are, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """A file of an archive, and the number of its lines or segments."""

    path: str
    lines: int


@dataclass(frozen=True)
class Archive:
    """One download. What is not publicly known is None, and not checked."""

    name: str
    url: str
    """Folder of the address."""
    source: Member
    target: Member
    split: str
    sha256: str | None = None


def _training(name: str, url: str, stem: str, lines: int, sha256: str | None = None) -> Archive:
    source, target = (Member(f"{stem}.de-en.{lang}", lines) for lang in ("en", "de"))
    return Archive(name, url, source, target, "train", sha256)


_STATMT = "https://www.statmt.org"
_DATA_STATMT = "https://data.statmt.org/wmt17/translation-task"

EUROPARL = _training(
    "training-parallel-europarl-v7.tgz",
    f"{_STATMT}/wmt13",
    "training/europarl-v7",
    1_920_209,
    "0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7",
)
COMMON_CRAWL = _training(
    "training-parallel-commoncrawl.tgz",
    f"{_STATMT}/wmt13",
    "commoncrawl",
    2_399_123,
    "c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5",
)
NEWS_COMMENTARY = {
    "9": _training(
        "training-parallel-nc-v9.tgz",
        f"{_STATMT}/wmt14",
        "training/news-commentary-v9",
        201_288,
    ),
    "12": _training(
        "training-parallel-nc-v12.tgz",
        _DATA_STATMT,
        "training/news-commentary-v12",
        270_769,
        "2b45f30ef1d550d302fd17dd3a5cbe19134ccc4c2cf50c2dae534aee600101a2",
    ),
}
NEWSTEST2013 = Archive(
    "dev.tgz",
    _DATA_STATMT,
    Member("dev/newstest2013.en", 3000),
    Member("dev/newstest2013.de", 3000),
    "valid",
    "9d5ff04a28496b7796904ea65e50e3837bab14dbdca88b1e063105f17513dca9",
)
NEWSTEST2014 = Archive(
    "test-full.tgz",
    f"{_STATMT}/wmt14",
    Member("test-full/newstest2014-deen-src.en.sgm", 3003),
    Member("test-full/newstest2014-deen-ref.de.sgm", 3003),
    "test",
)


def chosen(*, news_commentary: str, valid: str) -> list[Archive]:
    """Return the archives that the options ask for, training text first, in the order of use."""
    training = [EUROPARL, COMMON_CRAWL, NEWS_COMMENTARY[news_commentary]]
    return [*training, *([NEWSTEST2013] if valid == "newstest2013" else []), NEWSTEST2014]
