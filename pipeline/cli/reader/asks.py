"""The small windows that ask: choose one of a list, write tags, write a note; and the help."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypeVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from pipeline.cli.reader.keys import KEYS
from pipeline.cli.reader.texts import seemly
from pipeline.cli.speech import tell
from pipeline.veille.plain import fold

T = TypeVar("T")


class Ask(ModalScreen[T]):
    """A window with a title, and a line that says how to leave it."""

    def __init__(self, title: str, hint: str) -> None:
        super().__init__()
        self._title = title
        self._hint = hint

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._title), classes="title", markup=False)
            yield from self.body()
            yield Static(Content(self._hint), classes="hint", markup=False)

    def body(self) -> Iterable[Any]:
        """Return the widgets between title and hint."""
        return ()


class Choice(Ask[str | None]):
    """Asks for one of ``options``, each a value and its words; typing narrows them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)"),
        Binding("down", "step(1)", priority=True),
        Binding("up", "step(-1)", priority=True),
    ]

    def __init__(self, title: str, options: Sequence[tuple[str, str]]) -> None:
        super().__init__(title, tell("type to narrow · Enter chooses · Escape leaves"))
        self._options = [(value, seemly(words)) for value, words in options]
        self._shown: list[str] = []

    def body(self) -> Iterable[Any]:
        yield Input(compact=True)
        yield OptionList(compact=True, markup=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self._narrow("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._narrow(event.value)

    def on_input_submitted(self) -> None:
        chosen = self.query_one(OptionList).highlighted
        if chosen is not None:
            self.dismiss(self._shown[chosen])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._shown[event.option_index])

    def action_step(self, by: int) -> None:
        """Go up or down the list while the cursor stays in the field."""
        options = self.query_one(OptionList)
        if by > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def _narrow(self, typed: str) -> None:
        words = fold(typed).split()
        found = [
            (value, said)
            for value, said in self._options
            if all(word in fold(said) for word in words)
        ]
        self._shown = [value for value, _ in found]
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(Content(said)) for _, said in found])
        options.highlighted = 0 if found else None


class Completer(Suggester):
    """Completes the last of several tags that are parted by commas."""

    def __init__(self, known: Iterable[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._known = list(known)

    async def get_suggestion(self, value: str) -> str | None:
        """Return ``value`` with its last tag written out; the most frequent tag wins."""
        head, comma, last = value.rpartition(",")
        start = last.lstrip()
        if not start:
            return None
        used = split_tags(head)
        for tag in self._known:
            if tag not in used and len(tag) > len(start) and fold(tag).startswith(fold(start)):
                blank = last[: len(last) - len(start)]
                # Input shows what lies behind the typed characters: those have to stay
                return f"{head}{comma}{blank}{start}{tag[len(start) :]}"
        return None


def split_tags(text: str) -> tuple[str, ...]:
    """Return the tags that were typed, each once."""
    tags = (" ".join(seemly(part).lstrip("#").split()) for part in text.split(","))
    return tuple(dict.fromkeys(tag for tag in tags if tag))


class AskTags(Ask[tuple[str, ...] | None]):
    """Asks for the tags of an entry, which it shows as they are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)"),
        Binding("tab", "complete", priority=True),
    ]

    def __init__(self, tags: Sequence[str], known: Sequence[str]) -> None:
        hint = tell("parted by commas · Tab completes · Enter saves · Escape leaves")
        super().__init__(tell("Tags of this entry"), hint)
        self._tags = tags
        self._known = list(map(seemly, known))

    def body(self) -> Iterable[Any]:
        text = ", ".join(map(seemly, self._tags))
        yield Input(f"{text}, " if text else "", suggester=Completer(self._known), compact=True,
                    select_on_focus=False)  # fmt: skip
        if self._known:
            known = tell("In use: {tags}", tags=", ".join(self._known[:12]))
            yield Static(Content(known), classes="hint", markup=False)

    def action_complete(self) -> None:
        """Take the completion over."""
        self.query_one(Input).action_cursor_right()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        spelt = {fold(tag): tag for tag in reversed(self._known)}
        tags = (spelt.get(fold(tag), tag) for tag in split_tags(event.value))
        self.dismiss(tuple(dict.fromkeys(tags)))


class AskNote(Ask[str | None]):
    """Asks for a note; whichever way it is left, what was written is kept."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+s", "save", priority=True),
    ]

    def __init__(self, title: str, note: str) -> None:
        super().__init__(title, tell("Escape or Ctrl-S saves · Markdown, as in the letter"))
        self._note = note

    def body(self) -> Iterable[Any]:
        yield TextArea(self._note, soft_wrap=True, tab_behavior="focus", compact=True)

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.cursor_blink = False
        area.move_cursor(area.document.end)

    def action_save(self) -> None:
        """Hand the text over."""
        self.dismiss(self.query_one(TextArea).text)


class Help(Ask[None]):
    """Shows every key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "dismiss(None)"),
        Binding("j,down", "scroll(1)"),
        Binding("k,up", "scroll(-1)"),
    ]

    def __init__(self) -> None:
        super().__init__(tell("Keys"), tell("j and k move · Escape leaves"))

    def body(self) -> Iterable[Any]:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for key in KEYS:
            table.add_row(Text(tell(key.shown)), Text(tell(key.help)))
        with VerticalScroll(can_focus=False):
            yield Static(table, markup=False)

    def action_scroll(self, by: int) -> None:
        """Move the text by a line."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)
