"""What a page is made from, as one number: equal numbers, equal pages, so none is made twice.

Numbering a letter costs a small part of what rendering it does. What does not live here: reading
the code, which is handed in as a number of its own.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.issues.issue import Issue
from pipeline.render.compose import Press


def press_fingerprint(press: Press, *, code: str) -> str:
    """Return the number of all that letters share: settings, blocks, logo and ``code``."""
    settings = press.settings
    blocks = [
        [one.name, one.icon, one.calendar, one.schema, one.words]
        for one in press.library.blocks.values()
    ]
    return _digest(
        [
            code,
            [asdict(one) for one in (settings.site, settings.organisation, settings.theme)],
            settings.render.images,
            settings.delivery.list_id,
            press.logo.digest if press.logo else "",
            press.library.templates,
            blocks,
        ]
    )


def letter_fingerprint(issue: Issue, *, press: str) -> str:
    """Return the number of a letter's own facts and of the ``press`` it is rendered with."""
    parts = [
        [one.block.name, one.id, one.heading, one.fields, sorted(one.only), one.archive]
        for one in issue.parts
    ]
    return _digest(
        [
            press,
            [issue.slug, issue.number, issue.title, issue.subtitle, issue.date.isoformat()],
            [issue.language, issue.subject, issue.preheader, issue.sender],
            parts,
            {path: image.digest for path, image in issue.images.items()},
        ]
    )


def _digest(facts: list[Any]) -> str:
    text = json.dumps(facts, default=_jsonable, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _jsonable(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)
