"""Builds the archive: reads the letters, renders those that changed, writes what is new.

An edge: files and image processing. What the pages, the feed and the calendars say is decided by
their own modules; today's date and the way to read a letter come in by the door.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, tzinfo
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pipeline.archive.calendar import Occasion, calendar_file
from pipeline.archive.feed import MAX_ENTRIES, feed_xml, letter_body
from pipeline.archive.fingerprint import letter_fingerprint, press_fingerprint
from pipeline.archive.folder import ArchiveFolder
from pipeline.archive.manifest import Remembered
from pipeline.archive.pages import index_page
from pipeline.archive.past import PastLetter, past_letter, plain, stable_id
from pipeline.archive.sitemap import sitemap_xml
from pipeline.errors import InputError, LetterError, Mistake, MistakesError, SettingsError
from pipeline.issues.issue import Issue
from pipeline.render.compose import Press
from pipeline.render.edition import Edition, Picture
from pipeline.render.events import events_of
from pipeline.render.letter import render_edition
from pipeline.render.pictures import make_picture
from pipeline.text.zones import read_zone
from pipeline.words import mark
from pipeline.workspace import ISSUE_FILE, shown

_CODE: Final = Path(__file__).parents[1]
#: Whose new version may change a page or a picture, like our own code.
_LIBRARIES: Final = ("babel", "jinja2", "lxml", "markdown-it-py", "nh3", "pillow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build did: paths are below ``out``, ``waiting`` and ``rendered`` are slugs.

    ``mistakes`` kept letters from being published anew; ``notices`` kept nothing from happening.
    """

    out: Path
    letters: tuple[PastLetter, ...]
    rendered: tuple[str, ...]
    waiting: tuple[str, ...]
    written: tuple[str, ...]
    removed: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    notices: tuple[Mistake, ...]


def build_archive(
    folders: Iterable[Path],
    *,
    out: Path,
    press: Press,
    read: Callable[[Path], Issue],
    today: date,
    drafts: bool = False,
    also: str = "",
) -> Built:
    """Write the archive of the letters in ``folders`` into ``out``; ``read`` opens one of them.

    A letter with mistakes stays as it was last published, and stops no other. One dated after
    ``today`` waits, unless ``drafts``, or it is ``also``: the slug of one that is being sent. Same
    letters, same bytes, in whichever folder; what has not changed is neither rendered nor written.
    Raises WorkspaceError where ``out`` cannot be written, SettingsError where the site's time zone
    is unknown.
    """
    with ArchiveFolder(out) as folder:
        builder = _Builder(folder, press, _zone(press))
        for one in folders:
            is_out = drafts or one.name == also
            builder.letter(one, read, latest=None if is_out else today)
        builder.site(today)
        folder.finish()
    return Built(
        out=out,
        letters=builder.letters(),
        rendered=tuple(builder.rendered),
        waiting=tuple(builder.waiting),
        written=tuple(folder.written),
        removed=tuple(folder.removed),
        mistakes=tuple(builder.mistakes),
        notices=(*_namesakes(builder.letters(), builder.sources), *folder.notices),
    )


class _Builder:
    """One build: what it has met so far."""

    def __init__(self, folder: ArchiveFolder, press: Press, zone: tzinfo) -> None:
        self.folder = folder
        self.press = press
        self.zone = zone
        self.fingerprint = press_fingerprint(press, code=_code_fingerprint())
        self.logos: dict[str, bytes] = {}
        self.sources: dict[str, Path] = {}
        self.rendered: list[str] = []
        self.waiting: list[str] = []
        self.mistakes: list[Mistake] = []

    def letters(self) -> tuple[PastLetter, ...]:
        """Return the letters of the archive, newest first."""
        known = (one.letter for one in self.folder.letters.values())
        return tuple(sorted(known, key=lambda one: one.age, reverse=True))

    def letter(self, source: Path, read: Callable[[Path], Issue], *, latest: date | None) -> None:
        """Publish one letter, or leave it as it is."""
        self.sources[source.name] = source
        try:
            issue = read(source)
            if latest and issue.date > latest:
                self.waiting.append(issue.slug)
                return
            fingerprint = letter_fingerprint(issue, press=self.fingerprint)
            if not self._is_published(issue.slug, fingerprint):
                self._publish(issue, source, fingerprint)
                return
        except MistakesError as error:
            # two letters with one faulty block bring the same mistake
            self.mistakes += [one for one in error.mistakes if one not in self.mistakes]
        self._keep(source.name)

    def site(self, today: date) -> None:
        """Write what all letters share: feed, index, site map."""
        letters, settings = self.letters(), self.press.settings
        bodies = {one.slug: self._body(one) for one in letters[:MAX_ENTRIES]}
        feed = feed_xml(letters, bodies, settings=settings, zone=self.zone, today=today)
        page = index_page(letters, self.press)
        for path, data in self._pictures(page.pictures, Path(), "images").items():
            self.folder.write(path, data)
        self.folder.write("feed.xml", feed)
        self.folder.write("index.html", page.html.encode())
        if settings.site.url:  # the protocol wants absolute addresses
            self.folder.write("sitemap.xml", sitemap_xml(letters, settings.site.url))

    def _is_published(self, slug: str, fingerprint: str) -> bool:
        known = self.folder.before.letters.get(slug)
        return (
            known is not None
            and known.fingerprint == fingerprint
            and all(self.folder.holds(path) for path in self.folder.files_of(slug))
        )

    def _keep(self, slug: str) -> None:
        known = self.folder.before.letters.get(slug)
        if known and self.folder.holds(f"{slug}/index.html"):
            self.folder.letters[slug] = known
            for path in self.folder.files_of(slug):
                self.folder.keep(path)

    def _publish(self, issue: Issue, source: Path, fingerprint: str) -> None:
        edition = render_edition(issue, self.press)
        pictures = _shown_pictures(issue, edition, self.press)
        files = self._pictures(pictures, source, f"{issue.slug}/images")
        files |= self._calendars(issue, edition)
        files[f"{issue.slug}/index.html"] = edition.web.encode()  # last: all it links to is there
        for path, data in files.items():
            self.folder.write(path, data)
        letter = past_letter(issue, edition)
        self.folder.letters[issue.slug] = Remembered(letter=letter, fingerprint=fingerprint)
        self.rendered.append(issue.slug)

    def _pictures(self, pictures: Iterable[Picture], source: Path, place: str) -> dict[str, bytes]:
        """Return the pictures that have to be made; the others keep their place.

        A picture is named by what it is made from, so one that we hold is the right one.
        """
        made = {}
        for picture in pictures:
            path = f"{place}/{picture.name}"
            if self.folder.holds(path):
                self.folder.keep(path)
            else:
                made[path] = self._picture(picture, source)
        return made

    def _picture(self, picture: Picture, source: Path) -> bytes:
        if not Path(picture.source).is_absolute():
            return _picture_bytes(picture, source)
        if picture.name not in self.logos:  # the theme's logo, on every page: made once
            self.logos[picture.name] = _picture_bytes(picture, source)
        return self.logos[picture.name]

    def _calendars(self, issue: Issue, edition: Edition) -> dict[str, bytes]:
        settings = self.press.settings
        occasion = Occasion(announced=issue.date, zone=self.zone, page=edition.web_url)
        files = {}
        for part in issue.parts:
            if part.only and not part.archive:  # not on the page, so not beside it either
                continue
            for event in events_of(part):
                told = replace(
                    event,
                    title=plain(event.title, issue),
                    place=plain(event.place, issue),
                )
                uid = stable_id(settings, issue.slug, event.name)
                files[f"{issue.slug}/{event.name}"] = calendar_file(told, occasion, uid=uid)
        return files

    def _body(self, letter: PastLetter) -> str:
        page = self.folder.read(f"{letter.slug}/index.html").decode()
        url = self.press.settings.site.url
        return letter_body(page, letter.address(url) if url else letter.href)


def _shown_pictures(issue: Issue, edition: Edition, press: Press) -> tuple[Picture, ...]:
    """Return the pictures that somebody will ask the site for.

    Mail that links to its images asks for those of every variant, so the ones in blocks of a
    segment are published too, under a name that nobody can guess; else the page's alone.
    """
    if press.settings.render.images == "linked" and press.settings.site.url:
        return render_edition(issue, press, segments=issue.segments).pictures
    return tuple(one for one in edition.pictures if f"images/{one.name}" in edition.web)


def _picture_bytes(picture: Picture, source: Path) -> bytes:
    file = source / picture.source
    try:
        return make_picture(file.read_bytes(), picture)
    except (OSError, ValueError) as error:
        message = mark("this image cannot be published: {reason}")
        facts: dict[str, object] = {"reason": str(error)}
        raise LetterError([Mistake(path=shown(file), message=message, facts=facts)]) from error


def _namesakes(letters: Iterable[PastLetter], sources: dict[str, Path]) -> Iterator[Mistake]:
    """Yield a notice for each letter whose number an older one has already."""
    numbers: dict[int, str] = {}
    for letter in sorted(letters, key=lambda one: one.age):
        other = numbers.setdefault(letter.number, letter.slug)
        if other != letter.slug:
            yield Mistake(
                path=shown(sources[letter.slug] / ISSUE_FILE),
                message=mark("number {number} is already that of {other}"),
                facts={"number": letter.number, "other": other},
            )


def _zone(press: Press) -> tzinfo:
    try:
        return read_zone(press.settings.site.timezone)
    except InputError as error:
        mistake = Mistake(path="infolettre.toml", message=error.message, facts=error.facts)
        raise SettingsError([mistake]) from None


@lru_cache(maxsize=1)
def _code_fingerprint() -> str:
    """Return the number of the code that makes pages: a build with other code renders anew."""
    found = hashlib.sha256()
    for library in _LIBRARIES:
        found.update(f"{library} {version(library)}\n".encode())
    for file in sorted(_CODE.rglob("*")):
        if file.suffix in (".py", ".html", ".css", ".mo"):
            found.update(file.relative_to(_CODE).as_posix().encode())
            found.update(file.read_bytes())
    return found.hexdigest()
