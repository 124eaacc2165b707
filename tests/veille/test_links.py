"""Addresses: usable or not, cleaned, and when two are one page."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.veille.links import MAX_URL, canonical_url, clean_url, unwrap_url, web_url

HOSTS = st.sampled_from(
    ["a.example", "WWW.b.example", "c.example:8080", "[2001:db8::1]", "É.example"]
)
PATHS = st.text(alphabet="aZ0/é%._~-();+ ", max_size=12)
PAIRS = st.lists(
    st.sampled_from(
        ["a=1", "b", "utm_source=x", "xtor=RSS-1", "ref=blog.example", "ref=autre", "q=é&", "=", ""]
    ),
    max_size=5,
)
URLS = st.builds(
    lambda scheme, host, path, query, end: f"{scheme}://{host}/{path}{query}{end}",
    st.sampled_from(["http", "https", "HTTPS"]),
    HOSTS,
    PATHS,
    PAIRS.map(lambda pairs: "?" + "&".join(pairs) if pairs else ""),
    st.sampled_from(["", "#haut", "#xtor=AL-1", "#!/page", "#"]),
)


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("https://a.example/x?utm_source=rss&utm_medium=feed", "https://a.example/x"),
        ("https://a.example/x?b=2&utm_source=rss&a=1", "https://a.example/x?b=2&a=1"),
        # Le Monde and Franceinfo
        ("https://a.example/x.html?xtor=RSS-3208", "https://a.example/x.html"),
        ("https://a.example/x.html#xtor=RSS-3-[lestitres]", "https://a.example/x.html"),
        # BBC
        ("https://a.example/n?at_medium=RSS&at_campaign=rss", "https://a.example/n"),
        ("https://a.example/x?pk_campaign=lettre&id=4", "https://a.example/x?id=4"),
        ("https://a.example/p/1/?igshid=abc", "https://a.example/p/1/"),
        # heise
        ("https://a.example/m.html?wt_mc=rss.developer", "https://a.example/m.html"),
        ("https://a.example/x?UTM_Source=X&Id=1", "https://a.example/x?Id=1"),
        ("https://a.example/x?fbclid=1#partie-2", "https://a.example/x#partie-2"),
        # what means something, or nothing at all, stays to the letter
        (
            "https://a.example/x?source=presse&t=42&id=7",
            "https://a.example/x?source=presse&t=42&id=7",
        ),
        ("https://a.example/spip.php?breve1342", "https://a.example/spip.php?breve1342"),
        ("https://a.example/x?", "https://a.example/x?"),
        ("https://a.example/x?q=a%20b+c&z=&a", "https://a.example/x?q=a%20b+c&z=&a"),
        ("https://a.example/#:~:text=utm_source", "https://a.example/#:~:text=utm_source"),
    ],
)
def test_tracking_goes_and_all_else_stays(url: str, cleaned: str) -> None:
    assert clean_url(url) == cleaned


def test_ref_goes_only_when_it_names_the_feeds_or_sites_host() -> None:
    url = "https://a.example/x?ref=www.blog.example"

    assert (
        clean_url(url, "https://blog.example/", "https://feeds.example/rss")
        == "https://a.example/x"
    )
    assert clean_url(url, "https://feeds.example/rss", "") == url
    assert clean_url("https://a.example/x?ref=main", "https://blog.example/").endswith("?ref=main")


@pytest.mark.parametrize(
    "other",
    [
        "http://www.example.com/A?b=1",
        "https://example.com:443/A?b=1#haut",
        "http://EXAMPLE.com.:80/A?utm_campaign=x&b=1",
        "https://example.com/A?b=1&xtor=RSS-1",
        "https://www.www.example.com/A?b=1",
    ],
)
def test_spellings_of_one_page_have_one_key(other: str) -> None:
    assert canonical_url(other) == "https://example.com/A?b=1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.example/x", "https://a.example/X"),
        ("https://a.example/?a=1&b=2", "https://a.example/?b=2&a=1"),
        ("https://a.example/x", "https://a.example/x/"),
        ("https://a.example:8080/", "https://a.example/"),
        ("https://a.example/#!/un", "https://a.example/#!/deux"),
        ("https://fr.example/", "https://en.example/"),
    ],
)
def test_different_pages_have_different_keys(one: str, other: str) -> None:
    assert canonical_url(one) != canonical_url(other)


def test_a_name_with_accents_has_one_key_in_both_spellings() -> None:
    assert canonical_url("https://médiathèque.example/é") == canonical_url(
        "https://xn--mdiathque-53af.example/%C3%A9"
    )


@given(URLS | st.text(max_size=60))
def test_a_key_is_the_key_of_itself(url: str) -> None:
    assert canonical_url(canonical_url(url)) == canonical_url(url)


@given(URLS)
def test_cleaning_twice_is_cleaning_once(url: str) -> None:
    once = clean_url(url, "https://blog.example/")

    assert clean_url(once, "https://blog.example/") == once


@given(URLS)
def test_cleaning_never_changes_the_page_a_url_names(url: str) -> None:
    cleaned = clean_url(url, "https://blog.example/")
    before, after = urlsplit(url), urlsplit(cleaned)

    assert (before.scheme, before.netloc, before.path) == (after.scheme, after.netloc, after.path)
    kept = iter(before.query.split("&"))
    assert all(pair in kept for pair in after.query.split("&") if pair)  # in their order
    assert canonical_url(cleaned) == canonical_url(clean_url(url, "https://blog.example/"))


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        " java\nscript:alert(1)",
        "data:text/html,x",
        "mailto:a@b.example",
        "file:///etc/passwd",
        "ftp://a.example/x",
        "//",
        "https://",
        "https:///x",
        "http://[",
        "https://a.example:99999/",
        "https://a b.example/",
        "https://a.example\\@b.example/",
        "",
        "42",
        "https://a.example/" + "x" * MAX_URL,
    ],
)
def test_what_is_no_web_address_is_none(link: str) -> None:
    assert web_url(link) is None


def test_an_address_is_made_absolute_and_safe() -> None:
    assert web_url("/é b", base="https://a.example/flux") == "https://a.example/é%20b"
    assert web_url("\n https://a.example/x\n") == "https://a.example/x"
    assert web_url("https://a.example/{{email}}") == "https://a.example/%7B%7Bemail%7D%7D"


def test_a_google_alert_leads_to_the_article_itself() -> None:
    alert = "https://www.google.com/url?rct=j&sa=t&url=https://a.example/x%3Fid%3D1&ct=ga"

    assert unwrap_url(alert) == "https://a.example/x?id=1"
    assert unwrap_url("https://www.google.com/url?url=javascript:x") == (
        "https://www.google.com/url?url=javascript:x"
    )
    assert unwrap_url("https://evil.example/url?url=https://a.example/") == (
        "https://evil.example/url?url=https://a.example/"
    )
