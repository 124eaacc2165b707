"""The keys of the reader: what each does, and its words for the footer and the help.

``j`` and ``k`` move, as in vi and in every reader of feeds; so ``k`` cannot keep, and keeping is
Enter, or the capital ``K``.
"""

from dataclasses import dataclass
from typing import Final

from pipeline.words import mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """``keys`` as Textual names them, ``shown`` as a person reads them.

    ``label`` stands in the footer (empty: not there), ``help`` in the help.
    """

    keys: str
    action: str
    shown: str
    label: str = ""
    help: str


#: In the order of the footer, which shows as many as have room.
KEYS: Final = (
    Key(keys="j,down", action="move(1)", shown="j ↓", help=mark("go to the next entry")),
    Key(keys="k,up", action="move(-1)", shown="k ↑", help=mark("go to the entry before")),
    Key(
        keys="enter,K",
        action="keep",
        shown=mark("Enter"),
        label=mark("keep it"),
        help=mark("keep the entry and go on (the capital K does the same)"),
    ),
    Key(
        keys="x",
        action="discard",
        shown="x",
        label=mark("discard it"),
        help=mark("discard the entry and go on"),
    ),
    Key(
        keys="u",
        action="undo",
        shown="u",
        label=mark("undo"),
        help=mark("undo what you did last; again: what you did before"),
    ),
    Key(
        keys="t",
        action="tag",
        shown="t",
        label=mark("tags"),
        help=mark("write its tags; Tab completes those that you know"),
    ),
    Key(
        keys="n",
        action="note",
        shown="n",
        label=mark("note"),
        help=mark("write a note: it becomes the text of the item in the letter"),
    ),
    Key(
        keys="slash",
        action="search",
        shown="/",
        label=mark("search"),
        help=mark("show only what says these words; Escape shows all again"),
    ),
    Key(
        keys="a",
        action="assign",
        shown="a",
        label=mark("letter"),
        help=mark("say which letter the entry is meant for"),
    ),
    Key(
        keys="w",
        action="write",
        shown="w",
        label=mark("write it"),
        help=mark("write it into that letter, else into the newest"),
    ),
    Key(
        keys="o",
        action="open",
        shown="o",
        label=mark("open it"),
        help=mark("open its page in the browser"),
    ),
    Key(
        keys="s",
        action="state",
        shown="s",
        label=mark("states"),
        help=mark("show in turn: to sort, kept, discarded, all"),
    ),
    Key(
        keys="f",
        action="filter",
        shown="f",
        label=mark("filter"),
        help=mark("show only a watchlist, a source, a language or a tag"),
    ),
    Key(keys="b", action="put_back", shown="b", help=mark("put the entry back to be sorted")),
    Key(
        keys="space",
        action="read_on",
        shown=mark("Space"),
        help=mark("read on in the text; at its end, go to the next entry"),
    ),
    Key(
        keys="pagedown,ctrl+d",
        action="page(1)",
        shown=mark("Page down"),
        help=mark("go down by a screen"),
    ),
    Key(
        keys="pageup,ctrl+u",
        action="page(-1)",
        shown=mark("Page up"),
        help=mark("go up by a screen"),
    ),
    Key(keys="g,home", action="first", shown="g", help=mark("go to the first entry")),
    Key(keys="G,end", action="last", shown="G", help=mark("go to the last entry")),
    Key(keys="r", action="refresh", shown="r", help=mark("read the entries anew")),
    Key(
        keys="question_mark",
        action="help",
        shown="?",
        label=mark("help"),
        help=mark("show these keys"),
    ),
    Key(
        keys="q,ctrl+c,ctrl+q",
        action="leave",
        shown="q",
        label=mark("quit"),
        help=mark("quit: all that you did is in the database already"),
    ),
)
#: These stand in the footer however narrow it is.
ALWAYS: Final = ("help", "leave")
