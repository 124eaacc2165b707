"""What stands on a web page for its readers: headline, byline, times, paragraphs, pictures.

Read where the head says nothing (``head.py``). Each function is bounded, however large or nested
the page is.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from lxml import etree

from pipeline.veille.plain import MAX_HTML

_MAX_PARAGRAPHS: Final = 3_000
_MAX_MARKED: Final = 500
_ARTICLES: Final = etree.XPath("//article[not(ancestor::article)]")
_MAINS: Final = etree.XPath("(//main | //*[@role = 'main'])[1]")
_IS_ASIDE: Final = etree.XPath(
    "boolean(ancestor::nav or ancestor::aside or ancestor::footer or ancestor::p)"
)
_LENGTH: Final = etree.XPath("string-length(.)")
_MARKED: Final = etree.XPath(
    "//*[@itemprop = 'author' or @itemprop = 'datePublished' or @itemprop = 'image']"
)
_NAMED: Final = etree.XPath("(.//*[@itemprop = 'name'])[1]")
_BY_REL: Final = etree.XPath("//a[@rel = 'author']")
_FIGURES: Final = etree.XPath(".//img[ancestor::figure]")
# The classes of WordPress and of microformats2 (h-entry).
_PUBLISHED: Final = frozenset({"published", "entry-date", "dt-published"})


class Prose:
    """The text of a page, and where its parts stand."""

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._holder = _holder(root)
        self._items = _found(_MARKED, root)[:_MAX_MARKED]
        self.paragraphs = [text for text in map(text_of, self._paragraphs()) if text]

    def titles(self) -> Iterator[str]:
        """Yield the page's title and its headings of the first order."""
        for tag in ("title", "h1"):
            for element in islice(self._root.iter(tag), 3):
                yield text_of(element)

    def authors(self) -> Iterator[list[str]]:
        """Yield lists of names: those that are marked as the author's, those that link to one."""
        yield [_marked_name(one) for one in self._marked("author")]
        yield [text_of(one) for one in islice(_found(_BY_REL, self._root), 12)]

    def dates(self) -> Iterator[str]:
        """Yield what is marked as the date of publication, then a lone ``<time>``.

        Of several times, nobody knows which is the article's.
        """
        for one in self._marked("datePublished"):
            yield one.get("content") or one.get("datetime") or text_of(one)
        times = list(islice(self._holder.iter("time"), 200))
        for time in times:
            if time.get("pubdate") is not None or _PUBLISHED & set(time.get("class", "").split()):
                yield time.get("datetime") or ""
        values = {time.get("datetime") or "" for time in times}
        if len(values) == 1:
            yield from values

    def images(self) -> Iterator[str]:
        """Yield addresses of the image: marked as such, else that of the first figures."""
        for one in self._marked("image"):
            yield one.get("content") or one.get("src") or one.get("href") or ""
        for image in islice(_found(_FIGURES, self._holder), 5):
            yield image.get("src") or ""
            yield image.get("data-src") or ""

    def word_count(self) -> int:
        """Return the number of words in the paragraphs of the main text."""
        return sum(len(text.split()) for text in self.paragraphs)

    def _paragraphs(self) -> Iterator[etree._Element]:
        for one in islice(self._holder.iter("p", "blockquote"), _MAX_PARAGRAPHS):
            if not _IS_ASIDE(one) and (one.tag == "p" or not one.findall("p")):
                yield one

    def _marked(self, name: str) -> list[etree._Element]:
        return [one for one in self._items if one.get("itemprop") == name]


def text_of(element: etree._Element) -> str:
    """Return the text of an element, at most as much of it as is ever looked at."""
    texts, length = [], 0
    for text in element.itertext():
        texts.append(str(text)[:MAX_HTML])
        length += len(text)
        if length > MAX_HTML:
            break
    return "".join(texts).strip()


def _holder(root: etree._Element) -> etree._Element:
    """Return the element of the main text: the longest article, the main part, or the page."""
    articles = _found(_ARTICLES, root)
    if articles:
        return max(articles[:_MAX_MARKED], key=lambda one: float(str(_LENGTH(one))))
    return next(iter(_found(_MAINS, root)), root)


def _marked_name(element: etree._Element) -> str:
    """Return the name of an ``itemprop="author"``: its own, or that of the Person within."""
    named = next(iter(_found(_NAMED, element)), element)
    return named.get("content") or text_of(named)


def _found(path: etree.XPath, element: etree._Element) -> list[etree._Element]:
    found: list[etree._Element] = path(element)  # type: ignore[assignment]
    return found
