"""Whence a field of an added page is: what ``Entry.origins`` holds.

Its keys are the names of fields of an entry (``title``, ``source``, ``authors``,
``published_at``, ``language``, ``excerpt``, ``image``, ``minutes``); a field that is empty has no
key. An editor sees by it which fields to look at twice.
"""

from enum import StrEnum


class FieldOrigin(StrEnum):
    """The source of one field, the most trusted ones first."""

    JSON_LD = "json-ld"  # the page's own description for machines (schema.org)
    OPEN_GRAPH = "opengraph"  # its meta tags og:… and article:…
    META = "meta"  # its other meta tags
    HTML = "html"  # what stands on the page: title, lang, time, paragraphs
    TRAFILATURA = "trafilatura"  # found by a library in what stands on the page
    PDF = "pdf"  # the metadata of a PDF file
    ADDRESS = "address"  # made of the address: the host's or the file's name
    HAND = "hand"  # typed by a person
