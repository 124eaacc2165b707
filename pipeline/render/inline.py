"""CSS into ``style`` attributes by premailer, and a lighter result. No network, ever.

The frame marks the one style sheet that is to be inlined with ``/*inline*/``; it is dropped
afterwards. All others (MJML's base, media queries, dark mode) are for the head and stay as they
are: premailer would copy MJML's reset into every cell (65 KB became 80 KB).
"""

import logging
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from premailer import Premailer

_STYLE: Final = re.compile(r"<style([^>]*)>(?!\s*/\*inline\*/)")
_INLINED: Final = re.compile(r"<style[^>]*>\s*/\*inline\*/.*?</style>", re.DOTALL)
_CONDITIONALS: Final = re.compile(r"<!\[endif\]-->\s*<!--\[if mso \| IE\]>")
_STYLE_ATTRIBUTE: Final = re.compile(r'(?<= style=")[^"]*')
_BACKGROUND: Final = re.compile(r"(?<![\w-])background:(#[0-9a-fA-F]{3,6});")
_SPACES: Final = re.compile(r"\s*([:;,])\s*")

#: Measured on mjml-python's output: what each option prevents is in ``tests/render/test_inline``.
OPTIONS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "keep_style_tags": True,  # False would drop @font-face and @import
        "strip_important": False,  # True would kill dark mode and the small-screen overrides
        "disable_validation": True,
        "allow_network": False,
        "remove_unset_properties": False,
        "align_floating_images": False,
        "disable_basic_attributes": ["align", "bgcolor", "width", "height", "valign"],
        "cssutils_logging_level": logging.CRITICAL,
        "cssutils_logging_handler": logging.NullHandler(),
    }
)


class _Unopened(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


@lru_cache(maxsize=1)
def _inliner() -> "type[Premailer]":
    """Return premailer's class with the rules of a style sheet kept between two letters.

    premailer 3.10 keeps what cssutils parsed, but has it written out again for each page, which
    is half of the time it takes. The sheet is the theme's: the same for every letter.
    """
    premailer = _import_premailer()

    class Inliner(premailer.Premailer):  # type: ignore[misc, name-defined]
        @staticmethod
        @lru_cache(maxsize=8)
        def _rules(css: str, index: int) -> tuple[Any, Any]:
            plain = premailer.Premailer("", **OPTIONS)
            return plain._parse_style_rules(css, index)  # type: ignore[no-any-return]

        def _parse_style_rules(self, css_body: str, ruleset_index: int) -> tuple[Any, Any]:
            rules, leftover = self._rules(css_body, ruleset_index)
            return list(rules), list(leftover)

    return Inliner


def _import_premailer() -> ModuleType:
    """Import premailer without ``requests``, which it loads to fetch style sheets: we forbid that.

    It is 45 % of the import's time, and a command renders once. Whoever imports ``requests``
    afterwards gets the real one.
    """
    name = "requests"
    if name in sys.modules:
        return import_module("premailer")
    sys.modules[name] = _Unopened(name)
    try:
        return import_module("premailer")
    finally:
        del sys.modules[name]


def inline_css(html: str) -> str:
    """Return ``html`` with the marked style sheet in its elements, ready to be sent."""
    marked = _STYLE.sub(r'<style\1 data-premailer="ignore">', html)
    inlined: str = _inliner()(marked, **OPTIONS).transform()
    return lighten(_INLINED.sub("", inlined))


def lighten(html: str) -> str:
    """Return the same page in fewer bytes: Outlook's comments joined, no waste in styles."""
    return _STYLE_ATTRIBUTE.sub(lambda style: _lean(style[0]), _CONDITIONALS.sub("", html))


@lru_cache(maxsize=4096)
def _lean(style: str) -> str:
    """Return the declarations of ``style`` that say something: MJML writes each colour twice."""
    said = _SPACES.sub(r"\1", style).strip("; ").replace("direction:ltr;", "")
    background = _BACKGROUND.search(said)
    if background and f"background-color:{background[1]}" in said:
        said = said.replace(f"background:{background[1]};", "", 1)
    return said
