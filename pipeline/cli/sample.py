"""The files of a rendering that people look at: what the mail is like for somebody unknown."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipeline.delivery.message import compile_letter
from pipeline.delivery.ports import Recipient
from pipeline.errors import WorkspaceError
from pipeline.render.edition import Edition
from pipeline.render.view import viewed_html, viewed_text
from pipeline.settings import Settings
from pipeline.words import mark

SAMPLE: Final = Recipient(
    id="sample",
    address="lectrice@exemple.example",
    unsubscribe_url="https://exemple.example/desabonnement/exemple",
)


def write_rendering(
    edition: Edition, folder: Path, *, pictures: Mapping[str, bytes], settings: Settings
) -> list[tuple[Path, int]]:
    """Write ``email.html``, ``email.txt``, ``web.html``, ``message.eml`` and the images.

    Returns the files (without images) and their sizes in bytes. Raises WorkspaceError where
    ``folder`` cannot be written.
    """
    embedded = settings.render.images == "embedded" or not settings.site.url
    letter = compile_letter(
        edition,
        sender=settings.senders[edition.sender],
        settings=settings,
        pictures=pictures if embedded else {},
    )
    moment = datetime(edition.date.year, edition.date.month, edition.date.day, 9, tzinfo=UTC)
    files = {
        "email.html": viewed_html(edition).encode(),
        "email.txt": viewed_text(edition).encode(),
        "web.html": edition.web.encode(),
        "message.eml": letter.fill(SAMPLE, date=moment),
    }
    images = {f"images/{name}": data for name, data in pictures.items()}
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for name, data in {**files, **images}.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise WorkspaceError(
            mark(
                "{folder} cannot be written ({reason}): choose another folder with --out,"
                " or give yourself the right to write there"
            ),
            folder=folder,
            reason=error.strerror,
        ) from None
    return [(folder / name, len(data)) for name, data in files.items()]
