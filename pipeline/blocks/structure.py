"""The structure of a block's e-mail template, proved once, before any letter is rendered.

mjml-python accepts mismatched tags in silence and then prints following sections as text, so a
template must balance by itself: whatever is opened inside a Jinja branch is closed in that branch,
and what templates insert is escaped or comes from Markdown, which balances by construction.
"""

import re
from dataclasses import dataclass
from typing import Final

from pipeline.errors import Mistake
from pipeline.words import mark

#: The MJML elements that a block may use (documentation.mjml.io); mrml renders each of them.
KNOWN_TAGS: Final = frozenset(
    "mj-section mj-column mj-group mj-wrapper mj-hero mj-text mj-button mj-image mj-divider"
    " mj-spacer mj-table mj-raw mj-social mj-social-element mj-accordion mj-accordion-element"
    " mj-accordion-title mj-accordion-text mj-navbar mj-navbar-link".split()
)
_VOID: Final = frozenset("br hr img wbr col".split())
_BRANCHES: Final = frozenset("if for macro call filter set block autoescape with trans raw".split())
_JINJA: Final = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
#: What mrml reads; it stops at an attribute without quotes, or without a space before it.
_ATTRIBUTES: Final = re.compile(
    r"(?:\s+[A-Za-z_:][\w:.-]*(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'))?)*\s*/?"
)
_PIECE: Final = re.compile(
    r"(?P<comment>\{#.*?#\}|<!--.*?-->)"
    r"|(?P<print>\{\{.*?\}\})"
    r"|\{%[-+]?\s*(?P<word>\w+)(?P<rest>.*?)[-+]?%\}"
    r"|<(?P<slash>/?)(?P<tag>[A-Za-z][A-Za-z0-9-]*)"
    r"(?P<attributes>(?:[^<>\"'{]|\"[^\"]*\"|'[^']*'|\{%.*?%\}|\{\{.*?\}\})*)>"
    r"|(?P<stray><)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Opened:
    name: str
    line: int
    is_branch: bool


def check_structure(source: str, *, path: str) -> list[Mistake]:
    """Return the mistakes of a template: what does not balance, and what MJML does not know."""
    checker = _Checker(path)
    for match in _PIECE.finditer(source):
        checker.piece(match, line=source.count("\n", 0, match.start()) + 1)
    checker.end()
    return checker.mistakes


class _Checker:
    """Follows tags and Jinja branches on one stack."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.mistakes: list[Mistake] = []
        self.stack: list[_Opened] = []

    def fault(self, line: int, message: str, **facts: object) -> None:
        self.mistakes.append(
            Mistake(path=self.path, line=line, column=1, message=message, facts=facts)
        )

    def piece(self, match: re.Match[str], *, line: int) -> None:
        if match["stray"]:
            self.fault(line, mark("a “<” here opens no tag: write &lt;"))
        elif word := match["word"]:
            self.statement(word, match["rest"], line)
        elif tag := match["tag"]:
            self.tag(tag, match, line)

    def statement(self, word: str, rest: str, line: int) -> None:
        if word in _BRANCHES and not (word == "set" and "=" in rest):
            self.stack.append(_Opened(word, line, True))
        elif word in ("else", "elif"):
            self.close_branch(line, word)
            self.stack.append(_Opened(word, line, True))
        elif word.startswith("end"):
            self.close_branch(line, word)

    def close_branch(self, line: int, word: str) -> None:
        while self.stack and not self.stack[-1].is_branch:
            self.unclosed(self.stack.pop())
        if self.stack:
            self.stack.pop()
        else:
            self.fault(line, mark("“{word}” closes nothing"), word=word)

    def tag(self, tag: str, match: re.Match[str], line: int) -> None:
        if tag.startswith("mj-") and tag not in KNOWN_TAGS:
            self.fault(line, mark("MJML has no <{tag}> that a block may use"), tag=tag)
        if not _ATTRIBUTES.fullmatch(_JINJA.sub("", match["attributes"])):
            message = mark('write each attribute of <{tag}> as name="value", after a space')
            self.fault(line, message, tag=tag)
        if match["slash"]:
            self.close_tag(tag, line)
        elif not match["attributes"].rstrip().endswith("/") and tag not in _VOID:
            self.stack.append(_Opened(tag, line, False))

    def close_tag(self, tag: str, line: int) -> None:
        if not self.stack or self.stack[-1].is_branch:
            self.fault(line, mark("</{tag}> closes nothing that is open here"), tag=tag)
        elif (top := self.stack.pop()).name != tag:
            message = mark("</{tag}> stands where <{open}> of line {opened} should be closed")
            self.fault(line, message, tag=tag, open=top.name, opened=top.line)

    def end(self) -> None:
        for opened in self.stack:
            self.unclosed(opened)

    def unclosed(self, opened: _Opened) -> None:
        self.fault(opened.line, mark("“{name}” is opened here and never closed"), name=opened.name)
