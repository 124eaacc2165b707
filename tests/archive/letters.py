"""A workspace of small letters, and the archive built from it."""

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from PIL import Image as Pillow

from pipeline.archive.build import Built, build_archive
from pipeline.archive.past import PastLetter
from pipeline.issues.folder import read_image, read_issue
from pipeline.issues.issue import Issue
from pipeline.render.compose import Press
from pipeline.settings import Delivery, Organisation, Render, Sender, Settings, Site
from tests.builders import a_library

FIRST: Final = "2026-11-13-un"
SECOND: Final = "2026-11-20-deux"
TODAY: Final = date(2026, 11, 24)
SITE: Final = Site(
    name="Le Cercle & les cafés",
    description="Des nouvelles, chaque vendredi.",
    url="https://lettres.example/cercle",
)
SETTINGS: Final = Settings(
    site=SITE,
    organisation=Organisation(name="Le Cercle", contact="bonjour@lettres.example"),
    senders={"redaction": Sender(name="Le Cercle", email="lettre@lettres.example")},
    delivery=Delivery(list_id="lettre.lettres.example"),
    render=Render(images="embedded"),
)
NO_SITE: Final = replace(SETTINGS, site=replace(SITE, url=""))

BLOCKS: Final = """\
  - block: edito
    body: |
      Bonjour {{first_name|à toutes et tous}}, voici [un lien](https://example.org/a?b=1&c=2).
  - block: sommaire
  - block: image
    image: cafe.png
    image_alt: Une tasse
  - block: agenda
    heading: "📅 L'agenda"
    events:
      - {date: 2026-11-26, time: "18:30", end: "20:00", city: Amiens, title: "Thé ; lampe"}
      - {date: 2026-11-28, time: "09:30", title: "Atelier n° {{number}}", url: https://example.org}
  - block: veille
    heading: La veille
    items:
      - {title: "Une <chose> lue & relue", url: "https://example.org/c", source: Le Journal}
"""
RESERVED: Final = """\
  - block: texte
    only: [benevoles]
    body: Le mot de passe de la cave est anticonstitutionnellement.
  - block: rendez-vous
    only: [benevoles]
    heading: Réunion secrète
    title: Réunion secrète
    date: 2026-12-01
"""


@dataclass(kw_only=True)
class Workshop:
    """A folder of letters, what renders them, and where the archive goes."""

    root: Path
    settings: Settings = field(default=SETTINGS)
    logo: bool = True

    @property
    def out(self) -> Path:
        return self.root / "site"

    def letter(
        self,
        slug: str = "2026-11-20-des-cafes",
        *,
        number: int = 46,
        title: str = "Des cafés partout !",
        blocks: str = BLOCKS,
        more: str = "",
    ) -> Path:
        """Write a letter dated as its slug says, with one image, and return its folder."""
        folder = self.root / "issues" / slug
        folder.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (1400, 700), (180, 90, 40)).save(folder / "cafe.png")
        (folder / "issue.yaml").write_text(
            f"number: {number}\ntitle: {title}\ndate: {slug[:10]}\nsender: redaction\n"
            f"{more}blocks:\n{blocks}",
            encoding="utf-8",
        )
        return folder

    def press(self) -> Press:
        logo = self.root / "logo.png"
        Pillow.new("RGBA", (200, 200), (20, 90, 100, 255)).save(logo)
        return Press(
            library=a_library(),
            settings=self.settings,
            logo=read_image(logo) if self.logo else None,
        )

    def read(self, folder: Path) -> Issue:
        return read_issue(folder, library=a_library(), senders=self.settings.senders)

    def build(
        self,
        out: Path | None = None,
        *,
        today: date = TODAY,
        drafts: bool = False,
        also: str = "",
    ) -> Built:
        folders = sorted((self.root / "issues").glob("*"))
        return build_archive(
            folders,
            out=out or self.out,
            press=self.press(),
            read=self.read,
            today=today,
            drafts=drafts,
            also=also,
        )


def two_letters(workshop: Workshop) -> Built:
    """Build an archive of the letters FIRST and SECOND."""
    workshop.letter(FIRST, number=1, title="Un")
    workshop.letter(SECOND, number=2, title="Deux")
    return workshop.build()


def files_in(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` by its path."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def a_past_letter(
    slug: str = "2026-11-20-des-cafes",
    *,
    number: int = 46,
    title: str = "Des cafés partout\u202f!",
    subtitle: str = "Et quelques thés",
    language: str = "fr",
) -> PastLetter:
    return PastLetter(
        slug=slug,
        number=number,
        title=title,
        subtitle=subtitle,
        summary=subtitle,
        date=date.fromisoformat(slug[:10]),
        language=language,
    )
