"""Whole letters as they are rendered, to be read as a diff; ``make golden`` writes them anew."""

from pathlib import Path

import pytest

from pipeline.cli.open import open_issue, open_press
from pipeline.render.edition import Edition
from pipeline.render.letter import render_edition
from pipeline.workspace import find_workspace

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "letters"
SLUGS = ["2026-11-13-trop-belle-pour-etre-vraie", "2026-11-20-des-cafes-sous-la-lampe"]


def render(slug: str) -> Edition:
    workspace = find_workspace(ROOT)
    press = open_press(workspace)
    return render_edition(open_issue(workspace, workspace.find_issue(slug), press), press)


def normalised(html: str) -> str:
    """Return a page with each tag on a line of its own, so that a diff shows what changed."""
    return html.replace("><", ">\n<") + "\n"


@pytest.mark.parametrize("slug", SLUGS)
def test_a_letter_is_rendered_as_it_was(slug: str, request: pytest.FixtureRequest) -> None:
    edition = render(slug)
    files = {
        "email.html": normalised(edition.html),
        "email.txt": edition.text,
        "web.html": normalised(edition.web),
    }
    folder = CASES / slug
    if request.config.getoption("--rewrite-golden"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    assert {name: (folder / name).read_text(encoding="utf-8") for name in files} == files
