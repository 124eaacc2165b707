"""The names of languages, as CLDR has them through Babel."""

from functools import lru_cache


@lru_cache(maxsize=128)
def language_name(code: str, language: str) -> str:
    """Return the name of the language ``code`` in ``language``: « anglais » for en in fr.

    A code that CLDR does not know comes back as it is.
    """
    from babel import Locale, UnknownLocaleError  # lazily: few letters name a language

    try:
        name = Locale.parse(code, sep="-").get_display_name(language)
    except (UnknownLocaleError, ValueError):
        return code
    return name or code
