"""From a letter's parts to one flavour of it: each block's template, then the frame around."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Final

from markupsafe import Markup

from pipeline.blocks.block import FLAVOURS, FRAME, Library
from pipeline.errors import BlockError, Mistake
from pipeline.issues.issue import Image, Issue, Part
from pipeline.render.events import events_of
from pipeline.render.memo import Memo, Rendered
from pipeline.render.present import Depiction, Scene, present_fields
from pipeline.render.templates import block_template, parts_of
from pipeline.settings import Settings
from pipeline.words import mark

_BLANK_LINES: Final = re.compile(r"\n\s*\n\s*\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What every letter of a workspace is rendered with; ``logo`` is the theme's, if any."""

    library: Library
    settings: Settings
    logo: Image | None = None
    memo: Memo = field(default_factory=Memo, compare=False, repr=False)

    def page_address(self, slug: str) -> str:
        """Return where the letter is on the web, or nothing where there is no site."""
        site = self.settings.site.url.rstrip("/")
        return f"{site}/{slug}/" if site else ""


def compose(
    issue: Issue, parts: Iterable[Part], press: Press, scene: Scene, *, subject: str, preheader: str
) -> str:
    """Return the letter in the scene's flavour: MJML, text or a web page."""
    parts = tuple(parts)
    common = _common(issue, parts, press, scene)
    bodies = [_part(part, press, scene, common) for part in parts]
    body: Any = "\n\n\n".join(bodies) if scene.flavour == "text" else Markup("\n".join(bodies))  # noqa: S704
    around = common | {
        "body": body,
        "subject": subject,
        "preheader": preheader,
        "css": Markup(page_css(press)),  # noqa: S704
    }
    return _fill(press, scene, FRAME, around)


def _common(issue: Issue, parts: tuple[Part, ...], press: Press, scene: Scene) -> dict[str, Any]:
    settings = press.settings
    headings = [
        SimpleNamespace(id=part.id, text=scene.line(part.heading), icon=part.block.icon)
        for part in parts
        if part.heading and part.block.properties
    ]
    return {
        "parts": parts_of(press.library, scene.flavour, issue.language),
        "lang": issue.language,
        "issue": SimpleNamespace(
            number=issue.number,
            title=scene.line(issue.title),
            subtitle=scene.line(issue.subtitle),
            date=issue.date,
            slug=issue.slug,
        ),
        "headings": headings,
        "headings_key": tuple((one.id, one.text, one.icon) for one in headings),
        "inputs": _inputs(issue, scene),
        "site": settings.site,
        "organisation": settings.organisation,
        "theme": settings.theme,
        "logo": Depiction(press.logo, scene) if press.logo else None,
        "web_url": press.page_address(issue.slug),
        "unsubscribe_url": scene.address("{{unsubscribe_url}}"),
        "note": lambda url: f"[{scene.links.add(url)}]",
        "preferences_url": scene.address("{{preferences_url}}"),
    }


def _inputs(issue: Issue, scene: Scene) -> tuple[object, ...]:
    """Return what every block may depend on, besides its own fields and the press."""
    return (
        (issue.slug, issue.number, issue.title, issue.subtitle, issue.date, issue.language),
        tuple(scene.values.items()),
        tuple((image.path, image.digest) for image in issue.images.values()),
    )


def page_css(press: Press) -> str:
    """Return the web page's style: the theme as custom properties, then the frame's sheet."""
    theme = press.settings.theme
    fonts = f"--font-body:{theme.font_body};--font-heading:{theme.font_heading};"
    light, dark = (
        "".join(f"--{name.replace('_', '-')}:{colour};" for name, colour in asdict(palette).items())
        for palette in (theme.light, theme.dark)
    )
    return (
        f":root{{color-scheme:light dark;--radius:{theme.radius}px;{fonts}{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        + press.library.templates[f"{FRAME}/web.css"]
    )


def _part(part: Part, press: Press, scene: Scene, common: Mapping[str, Any]) -> str:
    """Return one block, from memory where nothing that it depends on has changed."""
    key = (
        scene.flavour,
        (part.block.name, part.id, part.heading, repr(part.fields)),
        common["inputs"],
        common["headings_key"] if _names_headings(part, press, scene) else (),
        tuple(scene.links),
    )
    if (kept := press.memo.get(key)) is None:
        inner = replace(scene, pictures={})
        known = len(scene.links)
        text = _render_part(part, press, inner, common)
        kept = Rendered(text=text, pictures=inner.pictures, links=tuple(scene.links)[known:])
        press.memo.keep(key, kept)
    for url in kept.links:
        scene.links.add(url)
    scene.pictures.update(kept.pictures)
    return kept.text


def _names_headings(part: Part, press: Press, scene: Scene) -> bool:
    return "headings" in press.library.templates[f"{part.block.name}/{FLAVOURS[scene.flavour]}"]


def _render_part(part: Part, press: Press, scene: Scene, common: Mapping[str, Any]) -> str:
    noted = len(scene.links)
    fields = present_fields(part.fields, part.block.properties, scene)
    _link_events(part, fields, common["web_url"], scene)
    block = SimpleNamespace(
        name=part.block.name, id=part.id, heading=scene.line(part.heading), icon=part.block.icon
    )
    words = SimpleNamespace(**part.block.words_in(scene.language))
    text = _fill(
        press, scene, part.block.name, {**common, **fields, "block": block, "words": words}
    )
    if scene.flavour != "text":
        return text
    notes = scene.links.lines()[noted:]
    said = _BLANK_LINES.sub("\n\n", text).strip("\n")
    return "\n\n".join(piece for piece in (said, "\n".join(notes)) if piece)


def _link_events(part: Part, fields: dict[str, Any], web_url: str, scene: Scene) -> None:
    """Give each event its ``ics``: the address of its file, or nothing where there is no site."""
    base = "" if scene.flavour == "web" else web_url
    known = scene.flavour == "web" or bool(web_url)
    for index, event in enumerate(events_of(part)):
        address = base + event.name if known else None
        if part.block.calendar == ".":
            fields["ics"] = address
        else:
            fields[part.block.calendar][index].ics = address


def _fill(press: Press, scene: Scene, block: str, context: Mapping[str, Any]) -> str:
    file = FLAVOURS[scene.flavour]
    try:
        template = block_template(press.library, block, file, scene.language)
        return template.render(context)
    except Exception as error:  # a template is a program: whatever it does wrong is its author's
        name = f"{block}/{file}"
        raise BlockError(
            [
                Mistake(
                    path=press.library.paths.get(name, name),
                    line=_line_of(error, name),
                    column=1,
                    message=mark("this template cannot be filled: {reason}"),
                    facts={"reason": str(error)},
                )
            ]
        ) from error


def _line_of(error: BaseException, name: str) -> int:
    """Return the template's line that was being filled: Jinja puts it into the traceback."""
    if (line := getattr(error, "lineno", None)) is not None:
        return int(line)
    found, trace = 1, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename.endswith(name) or (
            trace.tb_frame.f_globals.get("__name__") == name
        ):
            found = trace.tb_lineno
        if trace.tb_frame.f_code.co_filename == "<template>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
