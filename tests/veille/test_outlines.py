"""Edits of watchlists.opml: what is meant is changed, and not one byte besides."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError, MistakesError
from pipeline.veille.outlines import add_feeds, change_address, remove_feed
from pipeline.veille.watchlists import Feed, Watchlist, read_watchlists

FILE = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- la veille de Gwenola -->
<opml version="2.0" xmlns:x="https://x.example/">
  <head><title>Veille</title>   </head>
  <body>
    <outline   text='Presse' x:colour="red"  interval="2h">
\t<!-- la première, R&D -->
      <outline type="rss" text="A" xmlUrl="https://a.example/f?x=1&amp;y=2" x:note="à garder"/>

      <outline text="Nord">
        <outline text="B"
                 xmlUrl = 'https://b.example/f'   />  <!-- B -->
      </outline>
      <!-- fin -->
    </outline>
    <outline text="Vide"/>
    <outline text="Un lien" type="link" url="https://lien.example/"></outline>
  </body>
</opml>
<!-- après -->
"""
NEW = Feed(title='Le "C" & <co>', url="https://c.example/f?a=1&b=2", site="https://c.example/")
LINE = (
    '<outline type="rss" text="Le &quot;C&quot; &amp; &lt;co&gt;"'
    ' title="Le &quot;C&quot; &amp; &lt;co&gt;" xmlUrl="https://c.example/f?a=1&amp;b=2"'
    ' htmlUrl="https://c.example/"/>'
)


def add(text: str, title: str, *feeds: Feed) -> str:
    return add_feeds(text.encode(), [Watchlist(title=title, feeds=feeds)], path="w").decode()


def folder(*names: str) -> Feed:
    return Feed(title="D", url="https://d.example/f", folders=names)


def test_a_feed_goes_to_the_end_of_its_list_and_all_else_stays() -> None:
    before, after = FILE.split("      <!-- fin -->\n")

    assert add(FILE, "presse", NEW) == f"{before}      <!-- fin -->\n      {LINE}\n{after}"


def test_a_feed_goes_into_its_folder() -> None:
    line = '        <outline type="rss" text="D" title="D" xmlUrl="https://d.example/f"/>\n'
    changed = add(FILE, "Presse", folder("nord"))

    assert changed == FILE.replace("<!-- B -->\n", f"<!-- B -->\n{line}")


def test_folders_that_are_missing_are_made() -> None:
    feed = '<outline type="rss" text="D" title="D" xmlUrl="https://d.example/f"/>'
    lille = f'        <outline text="Lille" title="Lille">\n          {feed}\n        </outline>\n'
    sud = f'      <outline text="Sud" title="Sud">\n        {feed}\n      </outline>\n'

    changed = add(FILE, "Presse", folder("Nord", "Lille"), folder("Sud"))

    assert changed == FILE.replace("<!-- B -->\n", f"<!-- B -->\n{lille}").replace(
        "<!-- fin -->\n", f"<!-- fin -->\n{sud}"
    )
    assert [feed.folders for feed in read_watchlists(changed.encode(), path="w")[0].feeds] == [
        (),
        ("Nord",),
        ("Nord", "Lille"),
        ("Sud",),
    ]


def test_an_empty_outline_is_opened() -> None:
    assert add(FILE, "Vide", NEW) == FILE.replace(
        '<outline text="Vide"/>', f'<outline text="Vide">\n      {LINE}\n    </outline>'
    )
    assert add(FILE, "Un lien", NEW) == FILE.replace(
        "></outline>", f">\n      {LINE}\n    </outline>"
    )


def test_a_list_that_is_missing_is_made_behind_the_others() -> None:
    made = f'    <outline text="Été" title="Été">\n      {LINE}\n    </outline>\n'

    assert add(FILE, "Été", NEW) == FILE.replace("  </body>", f"{made}  </body>")


def test_a_feed_takes_the_settings_of_its_list() -> None:
    lists = read_watchlists(add(FILE, "Presse", NEW).encode(), path="w")

    assert {feed.interval for feed in lists[0].feeds} == {120}


def test_a_file_in_one_line_stays_in_one_line() -> None:
    text = '<opml><body><outline text="L"><outline xmlUrl="https://a.example/"/></outline></body></opml>'

    assert add(text, "L", NEW) == text.replace("/></outline>", f"/>{LINE}</outline>")
    assert "\n" not in add(text, "M", NEW)


def test_feeds_that_stand_in_no_list_get_company() -> None:
    text = (
        "<opml><head><title>Mes flux</title></head><body>\n"
        '  <outline xmlUrl="https://a.example/"/>\n</body></opml>'
    )

    assert add(text, "Mes flux", NEW) == text.replace("\n</body>", f"\n  {LINE}\n</body>")


def test_windows_line_ends_tabs_and_a_mark_stay() -> None:
    text = "\ufeff" + FILE.replace("  ", "\t").replace("\n", "\r\n")

    changed = add(text, "Vide", NEW)

    assert f'<outline text="Vide">\r\n\t\t\t{LINE}\r\n\t\t</outline>\r\n' in changed
    assert "\n" not in changed.replace("\r\n", "")
    assert changed.startswith("\ufeff<?xml")


def test_another_encoding_stays_and_what_it_lacks_is_a_reference() -> None:
    text = FILE.replace("UTF-8", "ISO-8859-1").encode("iso-8859-1")
    feed = Feed(title="L’été", url="https://e.example/f")

    changed = add_feeds(text, [Watchlist(title="Vide", feeds=(feed,))], path="w")

    assert b'text="L&#8217;\xe9t\xe9"' in changed
    assert b"la premi\xe8re" in changed
    assert read_watchlists(changed, path="w")[1].feeds == (feed,)


def test_utf_16_stays() -> None:
    text = FILE.replace("UTF-8", "UTF-16").encode("utf-16")

    changed = add_feeds(text, [Watchlist(title="Vide", feeds=(NEW,))], path="w")

    assert changed.decode("utf-16") == add(FILE.replace("UTF-8", "UTF-16"), "Vide", NEW)


def test_a_feed_is_taken_out_with_its_line_only() -> None:
    changed = remove_feed(FILE.encode(), "http://www.a.example/f?x=1&y=2", path="w").decode()

    assert changed == re.sub(r"      <outline type=\"rss\" text=\"A\".*\n", "", FILE)


def test_a_feed_that_shares_its_line_is_cut_out_of_it() -> None:
    changed = remove_feed(FILE.encode(), "https://b.example/f", path="w").decode()

    assert changed == re.sub(r"<outline text=\"B\"\s+xmlUrl.*?/>", "", FILE)


def test_what_lies_in_a_feed_stays_when_that_goes() -> None:
    text = (
        '<opml><body>\n<outline text="A" xmlUrl="https://a.example/">\n'
        '  <outline text="B" xmlUrl="https://b.example/"/>\n</outline>\n</body></opml>'
    )

    changed = remove_feed(text.encode(), "https://a.example/", path="w").decode()

    assert changed == (
        '<opml><body>\n  <outline text="B" xmlUrl="https://b.example/"/>\n</body></opml>'
    )


def test_an_address_is_changed_in_its_place() -> None:
    changed = change_address(
        FILE.encode(), "https://b.example/f", "https://n.example/?a&b", path="w"
    )

    assert changed.decode() == FILE.replace("https://b.example/f", "https://n.example/?a&amp;b")


def test_an_address_within_another_attribute_is_left_alone() -> None:
    text = "<opml><body><outline text=' xmlUrl=\"x\"' xmlUrl='https://a.example/'/></body></opml>"

    changed = change_address(text.encode(), "https://a.example/", "https://b.example/'", path="w")

    assert changed.decode() == text.replace("https://a.example/'", "https://b.example/&#39;'")


@pytest.mark.parametrize(
    "broken",
    [
        FILE.replace("&amp;", "&").encode(),
        FILE.replace("</body>", "</outline></body>").encode(),
        FILE.replace("A", "é").encode("cp1252"),
        FILE.replace("<opml", '<!DOCTYPE opml [<!ENTITY e "x">]><opml').encode(),
        FILE.replace("Nord", "&nbsp;").encode(),
    ],
)
def test_a_broken_file_is_not_edited_and_import_is_offered(broken: bytes) -> None:
    with pytest.raises(InputError, match=r"w.opml, line \d+: .*veille import w.opml”"):
        add_feeds(broken, [Watchlist(title="Vide", feeds=(NEW,))], path="w.opml")


def test_a_file_with_mistakes_is_not_edited() -> None:
    with pytest.raises(MistakesError, match="interval: “soon”"):
        add_feeds(FILE.replace("2h", "soon").encode(), [], path="w")


names = st.sampled_from(["", "Presse", "presse", "Nord", "Été", "A & b", "&eacute;", "<x>"])
feeds = st.builds(
    lambda n, folders: Feed(title=f"F{n}", url=f"https://f{n}.example/?a&b", folders=folders),
    st.integers(0, 99),
    st.lists(names, max_size=3).map(tuple),
)
lists = st.lists(
    st.builds(
        lambda title, many: Watchlist(title=title, feeds=tuple(many)),
        names.filter(bool),
        st.lists(feeds, min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=4,
)


@given(lists, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_added_is_there_and_taking_it_out_leaves_the_rest(
    added: list[Watchlist], newline: str, is_in_one_line: bool
) -> None:
    text = FILE.replace("\n", newline)
    if is_in_one_line:
        text = re.sub(r"\s*\n\s*", " ", FILE)

    changed = add_feeds(text.encode(), added, path="w")

    read = {
        (feed.url, feed.folders) for one in read_watchlists(changed, path="w") for feed in one.feeds
    }
    wanted = {feed.url for one in added for feed in one.feeds}
    assert {url for url, _ in read} == wanted | {
        "https://a.example/f?x=1&y=2",
        "https://b.example/f",
    }
    for url in wanted:
        changed = remove_feed(changed, url, path="w")
    kept = re.findall(r"<!--.*?-->|x:\w+=\".*?\"|<outline type=\"rss\" text=\"A\".*?/>", FILE)
    assert all(piece in changed.decode() for piece in kept)
    assert len(read_watchlists(changed, path="w")[0].feeds) == 2
