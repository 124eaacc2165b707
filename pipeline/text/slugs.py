"""Slugs: names for addresses, folders and anchors, out of titles that people wrote.

What does not live here: which title a slug is made of, and what to do when a folder of that name
exists already.
"""

from __future__ import annotations

from collections.abc import Iterable

from slugify import slugify as _slugify

from pipeline.text.merge import find_tags, restore

NAMELESS = "sans-titre"  # an anchor must not be empty, even for a title of emoji only

# An elision is two words (« l’été »), and a degree sign is read as « deg » if left to itself.
_REPLACEMENTS = (("’", "-"), ("'", "-"), ("ʼ", "-"), ("°", "-"))


def slugify(text: str, *, max_length: int = 60) -> str:
    """Make a slug: lower-case ASCII words joined by hyphens, never empty, cut between words.

    >>> slugify("📅 L’été à l'œuvre !")
    'l-ete-a-l-oeuvre'
    """
    words = _slugify(
        _without_tags(text),
        max_length=max_length,
        word_boundary=True,
        save_order=True,
        replacements=_REPLACEMENTS,
    )
    return words or NAMELESS


def unique_slugs(texts: Iterable[str]) -> list[str]:
    """Slugify each text; the second of the same name gets `-2`, the third `-3`."""
    taken: set[str] = set()
    slugs: list[str] = []
    for text in texts:
        slug = _free(slugify(text), taken)
        taken.add(slug)
        slugs.append(slug)
    return slugs


def _free(slug: str, taken: set[str]) -> str:
    candidate, count = slug, 1
    while candidate in taken:
        count += 1
        candidate = f"{slug}-{count}"
    return candidate


def _without_tags(text: str) -> str:
    """Read a merge tag as its fallback: an address is the same for everybody."""
    text = restore(text, lambda tag: tag.fallback)
    for tag in reversed(find_tags(text)):
        text = text[: tag.start] + tag.fallback + text[tag.end :]
    return text
