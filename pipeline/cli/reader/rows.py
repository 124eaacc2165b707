"""What the list holds: the number of every entry in order, and the cards of those near the eye.

A hundred thousand numbers are 4 MB; their cards would be 200. No database and no screen here.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from pipeline.veille.card import Card, Cursor, Page

KEPT: Final = 1_200  # cards, six pages


class Rows:
    """The entries that were read so far, by ``Card.id``; ``next`` is None where there are no more.

    What was sorted stays where it is until the rows are read anew.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.next: Cursor | None = None
        self._cards: OrderedDict[int, Card] = OrderedDict()

    def __len__(self) -> int:
        return len(self.ids)

    def reset(self, page: Page) -> None:
        """Begin anew with a first page."""
        self.ids = []
        self._cards.clear()
        self.extend(page)

    def extend(self, page: Page) -> None:
        """Append the next page."""
        self._append(card.id for card in page.cards)
        self.next = page.next
        self.put(page.cards)

    def complete(self, ids: Iterable[int]) -> None:
        """Append all that is left, without the cards."""
        self._append(ids)
        self.next = None

    def _append(self, ids: Iterable[int]) -> None:
        known = set(self.ids)  # one may have been dated anew meanwhile
        self.ids += [one for one in ids if one not in known]

    def put(self, cards: Iterable[Card]) -> None:
        """Take over cards as they are now."""
        for card in cards:
            self._cards[card.id] = card
            self._cards.move_to_end(card.id)
        while len(self._cards) > KEPT:
            self._cards.popitem(last=False)

    def card(self, row: int) -> Card | None:
        """Return the card of a row; None where it has to be read again, or there is no such row."""
        if not 0 <= row < len(self.ids):
            return None
        card = self._cards.get(self.ids[row])
        if card is not None:
            self._cards.move_to_end(card.id)
        return card

    def row(self, card: Card) -> int | None:
        """Return the row of a card."""
        try:
            return self.ids.index(card.id)
        except ValueError:
            return None

    def missing(self, first: int, last: int) -> Sequence[int]:
        """Return the entries from the row ``first`` to before ``last`` whose card is not here."""
        return [one for one in self.ids[max(0, first) : last] if one not in self._cards]

    def drop(self, ids: Iterable[int]) -> None:
        """Take rows out whose entries are no more."""
        gone = set(ids)
        self.ids = [one for one in self.ids if one not in gone]
