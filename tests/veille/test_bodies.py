"""The body of an entry: its beginning, its length, its picture."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.veille.bodies import beginning, count_words, first_image
from pipeline.veille.plain import plain_text

MARKUP = st.lists(
    st.sampled_from(
        "<p> </p> mot, été, &eacute; <b> </b> <script>x</script> <!--c--> <br>".split() + [" "]
    ),
    max_size=400,
).map("".join)  # fmt: skip


@given(MARKUP, st.integers(20, 80))
def test_the_beginning_of_a_long_body_is_that_of_the_whole(markup: str, limit: int) -> None:
    assert beginning(markup, limit=limit) == plain_text(markup, limit=limit)


def test_words_are_those_that_are_read() -> None:
    assert count_words("") == 0
    assert count_words("Un texte\nsans balise") == 4
    assert count_words("<p class='a b'>Un</p><p>deux</p>") == 2


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>rien</p>", ""),
        ('<img src="/a.jpg">', "/a.jpg"),
        ("<IMG alt='x' SRC='https://a.example/b.png?x=1&amp;y=2'/>", "https://a.example/b.png?x=1&y=2"),
        ("<img src=a.gif>", "a.gif"),
        ('<img data-src="lazy.jpg" src="real.jpg">', "real.jpg"),
        ('<img width="1" height="1" src="/pixel.gif"><img src="/b.jpg">', "/b.jpg"),
        ('<img src="data:image/gif;base64,R0"><img src="/b.jpg">', "/b.jpg"),
        ("<imgsrc='x'>", ""),
        ("<img src=", ""),
    ],
)  # fmt: skip
def test_the_first_picture_that_is_one(markup: str, expected: str) -> None:
    assert first_image(markup) == expected


@pytest.mark.parametrize("markup", ["<" * 1_000_000, "<img " * 200_000, "<img src='" * 100_000])
def test_no_markup_takes_long(markup: str) -> None:
    begun = time.process_time()

    count_words(markup)
    first_image(markup)
    beginning(markup, limit=400)

    assert time.process_time() - begun < 2
