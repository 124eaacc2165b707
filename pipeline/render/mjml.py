"""MJML to HTML by mjml-python, and the cures for what it does to attributes and doctype.

Measured on mjml-python 1.4.2 (mrml 6.0.1): it prints attribute values by Rust's ``{:?}``, so that
U+202F comes out as ``\\u{202f}`` and a quote as ``\\"``; it accepts mismatched tags in silence; a
document nested some 10,000 deep kills the process.
"""

import re
from typing import Final

from mjml import mjml2html

#: Deeper than any block template, far below what kills mrml.
MAX_DEPTH: Final = 60

_TAG: Final = re.compile(r"<(/?)([A-Za-z][\w:-]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)(/?)>")
_ATTRIBUTE: Final = re.compile(r"=\s*(?:\"([^\"]*)\"|'([^']*)')")
_UNSAFE: Final = re.compile(r"[^\x20-\x7e]|\\|['\"`<>]")
_SECTION_END: Final = "</mj-column>\n</mj-section>"
#: How a section of ``parts.section`` begins, behind its tag's name.
_PLAIN_SECTION: Final = re.compile(
    r'(?P<look>mj-class="\w+" padding="(?P<top>\d+)px \d+px (?P<bottom>\d+)px")>\s*<mj-column>'
)
_VOID: Final = frozenset("br hr img meta link input wbr col".split())


class UnbalancedError(ValueError):
    """The MJML does not balance, or nests too deep: a template or the frame is at fault."""


def to_html(mjml: str) -> str:
    """Return the HTML of a whole MJML document; nothing is fetched, no web font is named.

    Raises UnbalancedError, or ValueError in mrml's own words.
    """
    html: str = mjml2html(prepare(join_sections(mjml)), fonts={})
    # premailer looks for an upper-case doctype and loses any other (its issue 156)
    return html.replace("<!doctype html>", "<!DOCTYPE html>", 1)


def join_sections(mjml: str) -> str:
    """Return ``mjml`` with neighbouring sections of one look made into one.

    Two blocks on the same ground look the same as one section with a gap, and each section that
    is saved takes 1.2 kB of tables and of Outlook's comments with it.
    """
    first, *sections = mjml.split("<mj-section ")
    joined, look = [first], ""
    for section in sections:
        found = _PLAIN_SECTION.match(section)
        if found and found["look"] == look:
            gap = f'<mj-spacer height="{int(found["top"]) + int(found["bottom"])}px" />'
            joined[-1] = joined[-1].rstrip().removesuffix(_SECTION_END) + gap
            joined.append(section[found.end() :])
        else:
            joined += ["<mj-section ", section]
        is_plain = found is not None and section.count("<mj-column") == 1
        look = found["look"] if found and is_plain and _ends_there(section) else ""
    return "".join(joined)


def _ends_there(section: str) -> bool:
    """Say whether nothing stands behind the section, up to the next one."""
    return section.rstrip().endswith(_SECTION_END)


def prepare(mjml: str) -> str:
    """Return ``mjml`` with attribute values as numeric entities where mrml would spoil them.

    Proves on the way that the tags balance. Raises UnbalancedError with the line.
    """
    stack: list[str] = []

    def tag(match: re.Match[str]) -> str:
        slash, name, attributes, end = match.groups()
        if slash:
            if not stack or stack.pop() != name:
                line = mjml.count("\n", 0, match.start()) + 1
                raise UnbalancedError(f"line {line}: </{name}> closes nothing that is open")
        elif not end and name not in _VOID:
            stack.append(name)
            if len(stack) > MAX_DEPTH:
                raise UnbalancedError(f"more than {MAX_DEPTH} elements deep, at <{name}>")
        if "=" not in attributes:
            return match[0]
        return f"<{slash}{name}{_ATTRIBUTE.sub(_safe, attributes)}{end}>"

    prepared = _TAG.sub(tag, mjml)
    if stack:
        raise UnbalancedError(f"<{stack[-1]}> is never closed")
    return prepared


def _safe(match: re.Match[str]) -> str:
    value = match[1] if match[1] is not None else match[2]
    return '="' + _UNSAFE.sub(lambda one: f"&#{ord(one[0])};", value) + '"'
