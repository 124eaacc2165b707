"""What became of the feeds of one pull: values, for whoever tells of it.

How they came about is the business of ``pull.py``.
"""

from dataclasses import dataclass

from pipeline.errors import FetchError
from pipeline.veille.watchlists import Feed


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOutcome:
    """What a pull did with one feed: what is ``new`` and ``changed``, or its ``error``.

    ``is_unchanged``: the server or the bytes said so. ``is_skipped``: it was not asked, since
    another pull has it, its server wants to be left alone, or it is not due. ``dropped`` counts
    entries without a usable address, ``trouble`` names rules that ran out of time. ``moved_to``
    is where permanent redirects lead. ``seconds`` are those from the request to the last entry.
    """

    feed: Feed
    watchlist: str
    new: int = 0
    changed: int = 0
    error: FetchError | None = None
    is_unchanged: bool = False
    is_skipped: bool = False
    dropped: int = 0
    moved_to: str = ""
    seconds: float = 0.0
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcomes of a pull, in the order of the watchlists."""

    outcomes: tuple[FeedOutcome, ...] = ()

    @property
    def new(self) -> int:
        """Return how many entries are new."""
        return sum(one.new for one in self.outcomes)

    @property
    def changed(self) -> int:
        """Return how many known entries now say something else."""
        return sum(one.changed for one in self.outcomes)

    @property
    def failed(self) -> tuple[FeedOutcome, ...]:
        """Return the outcomes of the feeds that could not be had."""
        return tuple(one for one in self.outcomes if one.error)
