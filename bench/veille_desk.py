"""The veille desk: a page of cards by every filter, on both databases, measured in one run.

``make bench`` runs it with 20,000 entries, ``python bench/veille_desk.py --full`` with the 100,000
that the goal names: 50 ms a page at most. PostgreSQL is a server started here with its own
defaults. A page is ``list_cards``, 40 cards with their tags, other feeds and letters; each question
is asked for its first page and for one deep inside, in turn, and what counts is the median and the
worst of ``--rounds`` times. ``--only`` takes one database.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.campaign import heading, open_database, running_postgres

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from pipeline.veille.card import Cursor, Filter

SMALL, FULL, ROUNDS = 20_000, 100_000, 15
GOAL: Final = 50  # ms
NOW: Final = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SOURCES, WATCHLISTS, LETTERS, LINKS = 500, 12, 500, 20
SPAN: Final = timedelta(days=365)
CHUNK: Final = 2_000
ISSUES: Final = Path(__file__).parent.parent / "issues"
STATES: Final = {"new": 474, "discarded": 470, "published": 50, "kept": 4, "written": 2}
ISSUED: Final = ("published", "kept", "written")
LANGUAGES: Final = {"fr": 60, "en": 33, "de": 4, "es": 2, "it": 1}


# --- the desk that is asked -------------------------------------------------------------------


def vocabulary(rng: random.Random) -> list[str]:
    """Return 20,000 words that look like some, the shortest of them first."""
    parts = [a + b for a in "bcdfglmnprstv" for b in ("a", "e", "i", "o", "u", "on", "en", "ai")]
    words = {"".join(rng.choices(parts, k=rng.choice((1, 2, 2, 3, 3, 4)))) for _ in range(30_000)}
    return sorted(words, key=lambda one: (len(one), one))[:20_000]


def batched(things: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(things)
    while some := list(islice(rest, size)):
        yield some


def make_rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield entries as rows, the oldest first.

    "commune" is in half of them, "rarissime" in one of 5,000; sources are as uneven as words are.
    """
    from pipeline.veille.item import Entry, entry_id, page_key
    from pipeline.veille.rows import row_of

    rng = random.Random(4)
    known = vocabulary(rng)
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(known))))
    uneven = list(accumulate(1 / (rank + 20) for rank in range(SOURCES)))
    for number in range(count):
        words = rng.choices(known, cum_weights=weights, k=60)
        words += ["commune"] * (number % 2) + ["rarissime"] * (number % 5_000 == 0)
        source = rng.choices(range(SOURCES), cum_weights=uneven)[0]
        seen = NOW - SPAN * (1 - number / count)
        url = f"https://site{source}.example/{number}"
        entry = Entry(
            id=entry_id(page_key(url)),
            url=url,
            canonical_url=page_key(url),
            title=" ".join(words[:9]).capitalize(),
            seen_at=seen,
            source=f"Revue {source}",
            watchlist=f"Liste {source % WATCHLISTS}",
            authors=("Ada Martin",),
            published_at=seen - timedelta(hours=rng.random() * 72),
            language=rng.choices(list(LANGUAGES), list(LANGUAGES.values()))[0],
            excerpt=" ".join(words[9:]),
            site=f"https://site{source}.example/",
        )
        state = rng.choices(list(STATES), list(STATES.values()))[0]
        issue = f"2026-{number * 12 // count + 1:02}-01-lettre" if state in ISSUED else ""
        rest = {"state": state, "state_at": seen, "state_by": "", "rule": "", "note": ""}
        yield row_of(entry) | rest | {"feed_id": source + 1, "issue": issue}


def fill(engine: "Engine", count: int) -> None:
    """Fill an empty database: feeds, entries, tags on a fifth of them, letters that cite some."""
    from sqlalchemy import insert, text

    from pipeline.store.engine import writing
    from pipeline.store.entries import citation, cited_letter, entry, entry_feed, entry_tag, feed

    feeds = [
        {"url": f"https://site{one}.example/flux", "title": f"Revue {one}"}
        for one in range(SOURCES)
    ]
    with writing(engine) as connection:
        connection.execute(insert(feed), feeds)
        for some in batched(make_rows(count), CHUNK):
            connection.execute(insert(entry), some)
        rng = random.Random(5)
        for some in batched(range(1, count + 1), CHUNK):
            tags = [
                {"entry_id": one, "tag": f"mot {int(rng.random() ** 3 * 40)}"}
                for one in some
                if one % 5 == 0
            ] + [{"entry_id": one, "tag": "moitié"} for one in some if one % 2 == 0]
            connection.execute(insert(entry_tag), tags)
            others = [
                {"entry_id": one, "feed_id": rng.randint(1, SOURCES), "first_at": NOW,
                 "last_at": NOW} for one in some if one % 10 == 0
            ]  # fmt: skip
            connection.execute(insert(entry_feed), others)
        letters = [{"slug": f"lettre-{one}", "stamp": "", "number": one} for one in range(LETTERS)]
        connection.execute(insert(cited_letter), letters)
        step = count * 2 // (LETTERS * LINKS) or 1  # half of it: the rest was in no feed
        cited = [
            {
                "slug": f"lettre-{one % LETTERS}",
                "canonical_url": f"https://site{one}.ailleurs.example/{one}",
                "title": "Un titre",
            }
            for one in range(LETTERS * LINKS // 2)
        ]
        connection.execute(insert(citation), cited)
        connection.execute(
            text(
                "INSERT INTO citation (slug, canonical_url, title)"
                " SELECT 'lettre-' || (id % :letters), canonical_url, title FROM entry"
                " WHERE id % :step = 0"
            ),
            {"letters": LETTERS, "step": step},
        )
    if engine.dialect.name == "postgresql":  # as it is a minute after a pull
        with engine.connect() as plain:
            plain.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


# --- what is asked ------------------------------------------------------------------------------


def questions() -> dict[str, "Filter"]:
    from pipeline.veille.card import Filter
    from pipeline.veille.states import State

    new, kept = (State.NEW,), (State.KEPT,)
    month, week = NOW - timedelta(days=30), NOW - timedelta(days=7)
    return {
        "everything": Filter(),
        "state: to sort": Filter(states=new),
        "state: kept": Filter(states=kept),
        "states: kept or written": Filter(states=(State.KEPT, State.WRITTEN)),
        "watchlist": Filter(watchlist="Liste 3"),
        "source, many": Filter(source="Revue 0"),
        "source, few": Filter(source="Revue 480"),
        "language: fr": Filter(language="fr"),
        "language: it": Filter(language="it"),
        "tag, half of all": Filter(tag="moitié"),
        "tag, few": Filter(tag="mot 39"),
        "issue": Filter(issue="2026-06-01-lettre"),
        "since a week": Filter(since=week),
        "one month, long ago": Filter(
            since=NOW - timedelta(days=300), until=NOW - timedelta(days=270)
        ),
        "cited": Filter(is_cited=True),
        "not cited": Filter(is_cited=False),
        "word, half of all": Filter(text="commune"),
        "word, rare": Filter(text="rarissime"),
        "word, nowhere": Filter(text="introuvable"),
        "prefix, one letter": Filter(text="c"),
        "prefix, three letters": Filter(text="com"),
        "three words": Filter(text="commune ba co"),
        "half word, state, watchlist": Filter(text="commune", states=new, watchlist="Liste 3"),
        "half word, it, few of a source": Filter(text="commune", language="it", source="Revue 300"),
        "half word, tag of half, kept": Filter(text="commune", tag="moitié", states=kept),
        "half word, tag of the other half": Filter(text="commune rarissime", tag="moitié"),
        "watchlist without the source": Filter(watchlist="Liste 3", source="Revue 0"),
        "language, watchlist, to sort": Filter(language="es", watchlist="Liste 5", states=new),
        "cited, tag, fr": Filter(is_cited=True, tag="moitié", language="fr"),
        "not cited, half word, month": Filter(is_cited=False, text="commune", since=month),
        "all at once": Filter(
            states=new, watchlist="Liste 0", source="Revue 0", language="fr", tag="moitié",
            text="ba", since=NOW - timedelta(days=300), until=NOW, is_cited=False,
        ),
    }  # fmt: skip


def middle(engine: "Engine", wanted: "Filter", count: int) -> "Cursor | None":
    """Return a place behind some half of the cards, or None where there is none."""
    from pipeline.veille.card import Cursor
    from pipeline.veille.entries import list_cards

    inside = NOW - SPAN / 2
    if wanted.until and wanted.since:
        inside = wanted.since + (wanted.until - wanted.since) / 2
    elif wanted.since:
        inside = wanted.since + (NOW - wanted.since) / 2
    after = Cursor(dated_at=inside, id=count // 2)
    return after if list_cards(engine, wanted, after=after).cards else None


@dataclass(frozen=True, kw_only=True)
class Times:
    """What a question took, in ms, each time."""

    found: int
    taken: list[float]

    def __str__(self) -> str:
        return f"{statistics.median(self.taken):9.1f}{max(self.taken):7.1f}"


def measure(rounds: int, asked: Mapping[str, Callable[[], int]]) -> dict[str, Times]:
    """Ask all questions in turn, ``rounds`` times."""
    taken: dict[str, list[float]] = {name: [] for name in asked}
    found: dict[str, int] = {}
    for _ in range(rounds):
        for name, ask in asked.items():
            start = time.perf_counter()
            found[name] = ask()
            taken[name].append((time.perf_counter() - start) * 1000)
    return {name: Times(found=found[name], taken=taken[name]) for name in asked}


def ask_pages(engine: "Engine", count: int, rounds: int) -> float:
    """Print the table of pages, and return the worst median."""
    from pipeline.veille.entries import count_cards, list_cards

    def page(wanted: "Filter", after: "Cursor | None") -> int:
        return len(list_cards(engine, wanted, after=after).cards)

    wanted = questions()
    places = {name: middle(engine, one, count) for name, one in wanted.items()}
    first = measure(rounds, {name: partial(page, one, None) for name, one in wanted.items()})
    deep = measure(
        rounds,
        {name: partial(page, wanted[name], place) for name, place in places.items() if place},
    )
    print(f"  {'':34}{'cards':>9}{'first page':>16}{'deep inside':>16}   ms, median and worst")
    for name, one in wanted.items():
        cards = count_cards(engine, one)
        print(f"  {name:34}{cards:9,}{first[name]}{deep.get(name, ' ' * 15 + '–')}")
    return max(statistics.median(one.taken) for one in (*first.values(), *deep.values()))


def ask_rest(engine: "Engine", rounds: int) -> None:
    """Print the table of what else a page of the desk asks."""
    from pipeline.veille import entries
    from pipeline.veille.card import Filter
    from pipeline.veille.states import State

    chosen = {
        "everything": Filter(),
        "to sort": Filter(states=(State.NEW,)),
        "a watchlist": Filter(watchlist="Liste 3"),
        "word, half of all": Filter(text="commune"),
        "word, rare": Filter(text="rarissime"),
        "tag of half, fr": Filter(tag="moitié", language="fr"),
    }
    kinds: dict[str, Callable[[Filter], object]] = {
        "facets": partial(entries.list_facets, engine),
        "states": partial(entries.count_states, engine),
        "count": partial(entries.count_cards, engine),
    }
    print(f"  {'':34}{'facets':>16}{'states':>16}{'count':>16}   ms, median and worst")
    for name, one in chosen.items():
        asked = {kind: partial(run, ask, one) for kind, ask in kinds.items()}
        print(f"  {name:34}{''.join(map(str, measure(rounds, asked).values()))}")
    refs = [card.entry.id for card in entries.list_cards(engine, Filter(), limit=40).cards]
    others: dict[str, Callable[[], int]] = {
        "40 cards by 6 digits": lambda: len(entries.find_cards(engine, [r[:6] for r in refs])),
        "watchlist by a part": lambda: len(entries.match_watchlist(engine, "liste 7")),
        "purge that finds nothing": lambda: entries.purge_entries(engine, now=NOW, keep_days=999),
    }
    for name, times in measure(rounds, others).items():
        print(f"  {name:34}{times}")


def read_letters(engine: "Engine", rounds: int) -> None:
    """Print how long it takes to read what 500 letters cite, and to see that none changed.

    They are this house's own, over and over, written as people do: a veille, texts with links.
    """
    from pipeline.settings import Settings
    from pipeline.veille.citations import refresh_citations
    from pipeline.workspace import ISSUE_FILE, Workspace

    texts = [file.read_bytes() for file in sorted(ISSUES.glob(f"*/{ISSUE_FILE}"))]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(root=Path(folder), settings=Settings())
        for number in range(LETTERS):
            (workspace.issues / f"lettre-{number}").mkdir(parents=True)
            (workspace.issues / f"lettre-{number}" / ISSUE_FILE).write_bytes(
                texts[number % len(texts)]
            )
        asked = {"500 letters": partial(refresh_citations, engine, workspace)}
        first = measure(1, asked)["500 letters"]
        again = measure(rounds, asked)["500 letters"]
    kilobytes = sum(map(len, texts)) / len(texts) / 1000
    print(f"  {f'{first.found} letters of {kilobytes:.0f} kB read':34}{first}")
    print(f"  {f'{LETTERS} letters unchanged':34}{again}")


def run(ask: Callable[["Filter"], object], wanted: "Filter") -> int:
    ask(wanted)
    return 0


def measure_database(name: str, url: str, count: int, rounds: int) -> float:
    engine = open_database(url)
    start = time.perf_counter()
    fill(engine, count)
    seconds = time.perf_counter() - start
    heading(f"{name}, {count:,} entries (written in {seconds:.0f} s)")
    worst = ask_pages(engine, count, rounds)
    ask_rest(engine, rounds)
    read_letters(engine, rounds)
    engine.dispose()
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help=f"with {FULL:,} entries")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="one database")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    count = FULL if asked.full else SMALL
    worst = {}
    if asked.only != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/bench.db"
            worst["SQLite"] = measure_database("SQLite", url, count, asked.rounds)
    if asked.only != "sqlite":
        with running_postgres() as url:
            worst["PostgreSQL"] = measure_database("PostgreSQL", url, count, asked.rounds)
    for name, median in worst.items():
        print(f"  {name}: the slowest kind of page took {median:.0f} ms (goal: {GOAL})")


if __name__ == "__main__":
    main()
