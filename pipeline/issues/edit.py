"""Edits of a letter's text that leave every other byte as it was.

A new value is written by ruamel.yaml and spliced in at the place of the old one; the result is
read back and compared with what was meant before anyone sees it. Core: text in, text out.
"""

import copy
import io
import re
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from pipeline.errors import InputError
from pipeline.text.document import Document, Path, Span, parse_document
from pipeline.words import mark

_QUOTED_DATE: Final = re.compile(r"'(\d{4}-\d\d-\d\d)'")  # a date needs no quotes here
_WIDTH: Final = 4096  # of a line: ruamel.yaml shall fold nothing


def set_value(text: str, path: Path, value: object) -> str:
    """Return ``text`` with the value at ``path`` set; the last key is added where it is missing.

    ``path`` is keys and 0-based indexes, such as ``("blocks", 3, "heading")``.
    Raises LetterError where ``text`` is no document, InputError where ``path`` leads nowhere.
    """
    document = _parse(text)
    wanted = copy.deepcopy(document.values)
    parent = _at(wanted, path[:-1])
    if not _has_room(parent, path[-1]):
        raise InputError(mark("there is no place {path} in this letter"), path=_name(path))
    parent[path[-1]] = value
    if path in document.spans:
        changed = _replace(document, path, value)
    else:
        changed = _insert_key(document, path, value)
    return _checked(changed, wanted)


def append_item(text: str, path: Path, value: object) -> str:
    """Return ``text`` with ``value`` added at the end of the list at ``path``.

    A list that is missing or empty is begun. Raises as :func:`set_value` does.
    """
    document = _parse(text)
    wanted = copy.deepcopy(document.values)
    parent = _at(wanted, path[:-1])
    found = parent.get(path[-1]) if isinstance(parent, dict) else parent[int(path[-1])]
    if not found:
        return set_value(text, path, [value])
    if not isinstance(found, list):
        raise InputError(mark("there is no list at {path} in this letter"), path=_name(path))
    found.append(value)
    if document.spans[path].style == "flow":
        changed = _append_flow(document, path, value)
    else:
        changed = _append_block(document, path, len(found) - 2, value)
    return _checked(changed, wanted)


def _parse(text: str) -> Document:
    return parse_document(text.encode(), path="issue.yaml")


def _at(values: Any, path: Path) -> Any:
    for step, key in enumerate(path):
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            message = mark("there is no place {path} in this letter")
            raise InputError(message, path=_name(path[: step + 1])) from None
    return values


def _has_room(parent: object, key: str | int) -> bool:
    """Say whether ``key`` can be set in ``parent``: any name of a mapping, a place of a list."""
    if isinstance(parent, list):
        return isinstance(key, int) and 0 <= key < len(parent)
    return isinstance(parent, dict) and isinstance(key, str)


def _name(path: Path) -> str:
    return ".".join(map(str, path))


def _checked(changed: str, wanted: object) -> str:
    """Return ``changed`` once it is sure that it says ``wanted`` and nothing else."""
    if _parse(changed).values != wanted:
        raise InputError(
            mark("this place is written in a way that cannot be edited safely: edit it by hand")
        )
    return changed


def _replace(document: Document, path: Path, value: object) -> str:
    text, span = document.text, document.spans[path]
    end = span.end if span.style in ("flow", "'", '"') else _end_of(document, path)
    indent = _indent_of(document, path)
    if _inside_flow(document, path):
        return text[: span.start] + _flow(value) + text[end:]
    if span.style == "block":  # a collection on lines of its own: begin again behind the key
        start = text.rindex(":", 0, span.start) + 1 if isinstance(path[-1], str) else span.start
        return text[:start] + _behind_key(document, value, indent) + text[end:]
    spoken = _behind_key(document, value, indent)
    start = span.start
    while text[start - 1] == " ":
        start -= 1
    after = text[end:]
    return text[:start] + (spoken if isinstance(path[-1], str) else " " + spoken.lstrip()) + after


def _insert_key(document: Document, path: Path, value: object) -> str:
    """Add a key on a line of its own, behind the last key of its mapping that has a plain value."""
    parent, name = path[:-1], path[-1]
    mapping = document.spans[parent]
    keys = [key for key in document.keys if key[:-1] == parent and len(key) == len(path)]
    if mapping.style == "flow":
        comma = ", " if keys else ""
        end = mapping.end - 1
        while document.text[end - 1] in " \n":
            end -= 1
        head, tail = document.text[:end], document.text[end:]
        return f"{head}{comma}{_flow(str(name))}: {_flow(value)}{tail}"
    indent = document.keys[keys[0]].column - 1 if keys else 0
    line = f"{' ' * indent}{name}:" + _behind_key(document, value, indent)
    plain = [key for key in keys if document.spans[key].style != "block"]
    return _insert_line(document, _end_of(document, plain[-1] if plain else parent), line)


def _append_block(document: Document, path: Path, last: int, value: object) -> str:
    """Add an item behind the last one of a list that stands on lines of its own."""
    item = document.spans[(*path, last)]
    dash = document.text.rfind("-", 0, item.start)
    line_start = document.text.rfind("\n", 0, dash) + 1
    indent = dash - line_start
    gap = max(item.column - 1 - indent, 2) if item.style in ("block", "") else 2
    first, *rest = _item(value, document).split("\n")
    lines = [" " * indent + "-" + " " * (gap - 1) + first[2:]]
    lines += [" " * (indent + gap - 2) + line if line else "" for line in rest]
    return _insert_line(document, _end_of(document, (*path, last)), "\n".join(lines))


def _append_flow(document: Document, path: Path, value: object) -> str:
    end = document.spans[path].end - 1
    while document.text[end - 1] in " \n":
        end -= 1
    comma = "" if document.text[end - 1] == "," else ","
    return f"{document.text[:end]}{comma} {_flow(value)}{document.text[end:]}"


def _insert_line(document: Document, offset: int, line: str) -> str:
    """Insert ``line`` behind the line that holds the character before ``offset``."""
    text, newline = document.text, _newline(document.text)
    end = text.find("\n", offset)
    line = line.replace("\n", newline)
    if end < 0:
        return f"{text}{newline}{line}{newline}"
    return f"{text[: end + 1]}{line}{newline}{text[end + 1 :]}"


def _end_of(document: Document, path: Path) -> int:
    """Return the offset behind the last character of a value, its comments left out.

    libyaml ends a block collection or a literal at the next token, past comments and blank lines.
    """
    span = document.spans[path]
    if span.style in ("flow", "'", '"'):
        return span.end
    if span.style == "block":
        inner = [one for one in document.spans if one[:-1] == path and len(one) == len(path) + 1]
        return max((_end_of(document, one) for one in inner), default=span.start)
    body = document.text[span.start : span.end]
    return span.start + len(body.rstrip(" \r\n")) if body else span.start


def _inside_flow(document: Document, path: Path) -> bool:
    return any(document.spans[path[:n]].style == "flow" for n in range(len(path)))


def _indent_of(document: Document, path: Path) -> int:
    """Return the column (0-based) of the nearest key of ``path``, or of its item's dash."""
    key = document.keys.get(path)
    if key:
        return key.column - 1
    span: Span = document.spans[path]
    line_start = document.text.rfind("\n", 0, span.start) + 1
    return span.start - line_start - 2


def _behind_key(document: Document, value: object, indent: int) -> str:
    """Return what follows ``key:``, with its leading space or line break; no final newline."""
    snippet = _block({"k": value}, document).removeprefix("k:")
    lines = snippet.split("\n")
    margin = " " * indent
    text = "\n".join([lines[0], *(margin + line if line else "" for line in lines[1:])])
    return text.replace("\n", _newline(document.text))


def _block(value: object, document: Document) -> str:
    """Return ``value`` as block YAML, its lists indented as ``document`` does it."""
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.allow_unicode = True
    dashes = 2 if _indents_lists(document) else 0
    yaml.indent(mapping=2, sequence=2 + dashes, offset=dashes)
    stream = io.StringIO()
    yaml.dump(_literal(value), stream)
    return _QUOTED_DATE.sub(r"\1", stream.getvalue().rstrip("\n"))


def _item(value: object, document: Document) -> str:
    """Return ``- …`` for ``value``, its dash in the first column."""
    lines = _block({"k": [value]}, document).split("\n")[1:]
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[margin:] for line in lines)


def _indents_lists(document: Document) -> bool:
    for path, span in document.spans.items():
        if span.style == "block" and path in document.keys and (*path, 0) in document.spans:
            return span.column > document.keys[path].column
    return True


def _literal(value: object) -> object:
    """Return ``value`` with its texts of several lines as ``|`` literals, where YAML can."""
    if isinstance(value, dict):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_literal(inner) for inner in value]
    if isinstance(value, str) and re.fullmatch(r"(?! )[^\r\x85\u2028\u2029\ufeff]*\n[^\r]*", value):
        return LiteralScalarString(value)
    return value


def _flow(value: object) -> str:
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.default_flow_style = True
    stream = io.StringIO()
    yaml.dump([value], stream)
    return _QUOTED_DATE.sub(r"\1", stream.getvalue().strip()[1:-1])


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
