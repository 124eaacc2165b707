"""One test for each defect of premailer 3.10 on MJML's output that was measured, and its cure."""

import socket

import pytest

from pipeline.render.inline import inline_css, lighten

HEAD = "<!DOCTYPE html><html><head><title>T</title>{styles}</head><body>{body}</body></html>"


def page(*styles: str, body: str = "<p>a</p>") -> str:
    return inline_css(
        HEAD.format(styles="".join(f"<style>{one}</style>" for one in styles), body=body)
    )


def test_the_doctype_is_kept() -> None:
    assert page().startswith("<!DOCTYPE html>")


def test_the_marked_sheet_is_inlined_and_dropped() -> None:
    result = page("/*inline*/ p { color: red }")
    assert '<p style="color:red">a</p>' in result
    assert "/*inline*/" not in result


def test_other_sheets_stay_in_the_head_and_are_not_inlined() -> None:
    result = page("p { color: red }")
    assert "<p>a</p>" in result
    assert "p { color: red }" in result
    assert "data-premailer" not in result


@pytest.mark.parametrize(
    "kept",
    [
        "@media (prefers-color-scheme: dark) { p { color: white !important } }",
        "@import url(https://fonts.example/a.css);",
        "@font-face { font-family: X; src: url(https://fonts.example/x.woff2) }",
        "p { color: blue !important }",
    ],
)
def test_what_the_head_needs_is_kept(kept: str) -> None:
    assert kept in page(kept, "/*inline*/ p { margin: 0 }")


def test_important_survives_inlining() -> None:
    assert "color:red !important" in page("/*inline*/ p { color: red !important }").replace(
        "red!", "red !"
    )


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("premailer reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    link = '<link rel="stylesheet" href="https://fonts.example/a.css">'
    result = inline_css(HEAD.format(styles=link, body="<p>a</p>"))
    assert "https://fonts.example/a.css" in result


def test_conditional_comments_for_outlook_are_kept() -> None:
    comment = "<!--[if mso | IE]><table><tr><td><![endif]-->"
    end = "<!--[if mso | IE]></td></tr></table><![endif]-->"
    result = page(body=f"{comment}<p>a</p>{end}")
    assert comment in result
    assert end in result


def test_comments_for_outlook_that_touch_become_one() -> None:
    touching = "<!--[if mso | IE]></td><![endif]--><!--[if mso | IE]><td><![endif]-->"
    assert lighten(touching) == "<!--[if mso | IE]></td><td><![endif]-->"


def test_a_token_stays_whole_in_an_address() -> None:
    assert '<a href="mergeq61q">' in page(body='<a href="mergeq61q">x</a>')


def test_spaces_in_a_style_are_dropped_and_those_in_text_are_not() -> None:
    assert lighten('<p style="a: b; c: d;">x ; y</p>') == '<p style="a:b;c:d">x ; y</p>'
