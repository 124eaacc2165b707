"""A letter as it was frozen for a campaign: an edition a variant, its images, who sends it.

Freezing renders, and asks the caller for the images' bytes; nothing else is read. From what was
frozen a worker sends on any machine, without the letter's folder. Where it is kept is not here.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from pipeline.delivery.fields import Frame, frame_letter
from pipeline.delivery.message import Letter, assemble_letter
from pipeline.errors import InputError
from pipeline.issues.issue import Issue
from pipeline.render.compose import Press
from pipeline.render.edition import Edition, Picture
from pipeline.render.letter import render_edition
from pipeline.settings import Settings
from pipeline.words import mark

MAX_SEGMENTS: Final = 6  # that blocks are reserved to: 64 variants are rendered and kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What is sent, whoever gets it; ``segments`` are those that some block is reserved to.

    A variant is a number: its bit *n* says that the reader is in the *n*-th of ``segments``.
    ``source`` is the SHA-256 of the files that the letter was made from.
    """

    slug: str
    title: str
    segments: tuple[str, ...]
    editions: Mapping[int, Edition]
    pictures: Mapping[str, bytes]
    frame: Frame
    source: str = ""

    @property
    def digest(self) -> str:
        """Return the SHA-256 that an approval names: of all variants, the sender and the list."""
        facts = {
            "frame": frame_facts(self.frame),
            "segments": self.segments,
            "editions": [self.editions[variant].digest for variant in sorted(self.editions)],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def variant_of(self, segments: frozenset[str]) -> int:
        """Return the variant of a reader who is in ``segments``."""
        return sum(1 << bit for bit, name in enumerate(self.segments) if name in segments)

    def letter(self, variant: int, *, campaign: str) -> Letter:
        """Compile a variant; ``campaign`` is what Message-IDs are made of."""
        return assemble_letter(
            self.editions[variant], frame=self.frame, pictures=self.pictures, campaign=campaign
        )


def freeze_letter(
    issue: Issue,
    press: Press,
    *,
    pictures: Callable[[Edition], Mapping[str, bytes]],
    source: str = "",
) -> Frozen:
    """Render every variant of a letter, and take the images along where they travel in the mail.

    Raises BlockError or InputError, also where blocks are reserved to more than six segments.
    """
    segments = tuple(sorted(issue.segments))
    if len(segments) > MAX_SEGMENTS:
        raise InputError(
            mark("the letter reserves blocks to {found} segments ({names}): at most {most}"),
            found=len(segments),
            names=", ".join(segments),
            most=MAX_SEGMENTS,
        )
    editions = {
        variant: render_edition(issue, press, segments=_members(segments, variant))
        for variant in range(1 << len(segments))
    }
    settings, images = press.settings, dict[str, bytes]()
    if embeds_images(settings):
        for edition in editions.values():
            images |= pictures(edition)
    return Frozen(
        slug=issue.slug,
        title=issue.title,
        segments=segments,
        editions=editions,
        pictures=images,
        frame=frame_letter(settings.senders[issue.sender], settings, letter=issue.slug),
        source=source,
    )


def _members(segments: tuple[str, ...], variant: int) -> frozenset[str]:
    return frozenset(name for bit, name in enumerate(segments) if variant >> bit & 1)


def embeds_images(settings: Settings) -> bool:
    """Say whether images travel in the mail: by setting, or because there is no site for them."""
    return settings.render.images == "embedded" or not settings.site.url


def frame_facts(frame: Frame) -> dict[str, Any]:
    """Return a frame as JSON has it."""
    return asdict(frame) | {"fields": [list(one) for one in frame.fields]}


def read_frame(facts: Mapping[str, Any]) -> Frame:
    """Return the frame that :func:`frame_facts` wrote."""
    return Frame(**{**facts, "fields": tuple((name, value) for name, value in facts["fields"])})


def edition_facts(edition: Edition) -> dict[str, Any]:
    """Return an edition as JSON has it."""
    return asdict(edition) | {
        "date": edition.date.isoformat(),
        "variant": sorted(edition.variant),
        "pictures": [asdict(one) for one in edition.pictures],
    }


def read_edition(facts: Mapping[str, Any]) -> Edition:
    """Return the edition that :func:`edition_facts` wrote, with the same digest."""
    return Edition(
        **{
            **facts,
            "date": date.fromisoformat(facts["date"]),
            "variant": frozenset(facts["variant"]),
            "pictures": tuple(Picture(**one) for one in facts["pictures"]),
        }
    )
