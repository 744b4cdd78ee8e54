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
    folder: str
    """Of the address; the first part is that of a :data:`PLACES`."""
    source: Member
    target: Member
    split: str
    megabytes: int
    """Size in MiB, rounded, as the task's page has it; for the user's information."""
    sha256: str | None = None

    @property
    def places(self) -> list[str]:
        """Addresses of the folder, to be tried in their order."""
        host, _, rest = self.folder.partition("/")
        return [f"{place}/{rest}" for place in PLACES[host]]


# The same files each; some networks let one of them through only.
PLACES = {
    "wmt": ["https://www.statmt.org", "http://www.statmt.org", "http://statmt.org"],
    "data": ["https://data.statmt.org", "http://data.statmt.org"],
}


def _training(
    name: str, folder: str, stem: str, lines: int, megabytes: int, sha256: str | None = None
) -> Archive:
    source, target = (Member(f"{stem}.de-en.{lang}", lines) for lang in ("en", "de"))
    return Archive(name, folder, source, target, "train", megabytes, sha256)


EUROPARL = _training(
    "training-parallel-europarl-v7.tgz",
    "wmt/wmt13",
    "training/europarl-v7",
    1_920_209,
    628,
    "0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7",
)
COMMON_CRAWL = _training(
    "training-parallel-commoncrawl.tgz",
    "wmt/wmt13",
    "commoncrawl",
    2_399_123,
    876,
    "c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5",
)
NEWS_COMMENTARY = {
    "9": _training(
        "training-parallel-nc-v9.tgz", "wmt/wmt14", "training/news-commentary-v9", 201_288, 77
    ),
    "12": _training(
        "training-parallel-nc-v12.tgz",
        "data/wmt17/translation-task",
        "training/news-commentary-v12",
        270_769,
        161,
        "2b45f30ef1d550d302fd17dd3a5cbe19134ccc4c2cf50c2dae534aee600101a2",
    ),
}
NEWSTEST2013 = Archive(
    "dev.tgz",
    "data/wmt17/translation-task",
    Member("dev/newstest2013.en", 3000),
    Member("dev/newstest2013.de", 3000),
    "valid",
    37,
    "9d5ff04a28496b7796904ea65e50e3837bab14dbdca88b1e063105f17513dca9",
)
NEWSTEST2014 = Archive(
    "test-full.tgz",
    "wmt/wmt14",
    Member("test-full/newstest2014-deen-src.en.sgm", 3003),
    Member("test-full/newstest2014-deen-ref.de.sgm", 3003),
    "test",
    3,
)


def chosen(*, news_commentary: str, valid: str) -> list[Archive]:
    """Return the archives that the options ask for, training text first, in the order of use."""
    training = [EUROPARL, COMMON_CRAWL, NEWS_COMMENTARY[news_commentary]]
    return [*training, *([NEWSTEST2013] if valid == "newstest2013" else []), NEWSTEST2014]
