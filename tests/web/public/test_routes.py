"""The public pages over HTTP: scanners change nothing, one click leaves, nobody is told on."""

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from pipeline.audience import register
from pipeline.audience.consent import Consent, Kind
from pipeline.audience.states import Event, State
from pipeline.delivery.verp import verp_reader
from pipeline.store.engine import writing
from pipeline.web.public import forms
from tests.servers import free_port, smtp_server, tcp_server
from tests.web.public.house import ENGLISH, SECRET, ZOE, House, body, serving

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
NEVER = "/{}/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PAGES = ["confirmation", "desabonnement", "preferences"]


# --- the way in -----------------------------------------------------------------------------------


def test_a_person_asks_reads_the_mail_presses_the_button_and_is_subscribed(house: House) -> None:
    asked = house.ask(first_name="Zoé")
    assert (asked.status_code, house.zoe().state) == (200, State.PENDING)
    assert ZOE in asked.text

    [mail] = house.mails()
    assert mail["Subject"] == "Confirm your subscription to Le Cercle <des> cafés"
    assert mail["From"] == "Le Cercle des cafés <inscription@cercle.example>"
    assert mail["To"] == ZOE
    for name in ("List-Unsubscribe", "List-Id", "Precedence", "Feedback-ID"):
        assert mail[name] is None
    assert house.confirm_link() in body(mail, "html")
    assert ZOE not in house.confirm_link()

    shown = house.http.get(house.confirm_link())
    assert (shown.status_code, house.zoe().state) == (200, State.PENDING)
    done = house.http.post(house.confirm_link())
    assert (done.status_code, house.zoe().state) == (200, State.ACTIVE)
    assert "Welcome" in done.text
    assert house.http.post(house.confirm_link()).text == done.text

    kinds = [one.kind for one in house.log()]
    assert kinds == [Kind.ASKED, Kind.CONFIRMED]
    wording = re.findall(r'<p class="wording">(.*?)</p>', house.http.get("/abonnement").text)[0]
    assert house.log()[1].wording == wording.replace("&lt;", "<").replace("&gt;", ">")


def test_no_word_that_was_typed_travels_in_the_mail(house: House) -> None:
    house.ask(first_name="Gagnez http://arnaque.example")
    [mail] = house.mails()
    for kind in ("plain", "html"):
        assert "arnaque" not in body(mail, kind)
    assert "arnaque" not in str(mail["Subject"]) + str(mail["To"])


def test_whoever_asks_learns_nothing_of_who_is_subscribed(house: House) -> None:
    answers = {house.ask().text}  # nobody
    answers.add(house.ask().text)  # asked a moment ago
    house.http.post(house.confirm_link())
    answers.add(house.ask().text)  # subscribed
    with writing(house.engine) as connection:
        register.move(
            connection, house.zoe(), Event.COMPLAIN, now=house.zoe().state_at, source="test"
        )
    answers.add(house.ask().text)  # complained
    assert len(answers) == 1
    assert len(house.mails()) == 1


def test_a_program_that_fills_every_field_is_answered_and_nothing_is_done(house: House) -> None:
    before = house.everything()
    trapped = house.ask(message="Hello")
    assert trapped.status_code == 200
    assert (house.everything(), house.mails()) == (before, [])
    assert trapped.text == house.ask().text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"email": "zoe"}, "exactly one"),
        ({"email": ""}, "the address is missing"),
        ({"email": "<script>@x"}, "&lt;script&gt;"),
        ({"first_name": "x" * 201}, "200"),
        ({"shown": "0123456789abcdef"}, "has changed meanwhile"),
        ({"shown": ""}, "has changed meanwhile"),
    ],
)
def test_what_cannot_be_taken_is_told_in_the_form(
    house: House, fields: dict[str, str], said: str
) -> None:
    before = house.everything()
    answer = house.ask(**fields)
    assert (answer.status_code, house.everything(), house.mails()) == (422, before, [])
    assert said in answer.text
    assert "<title>Error:" in answer.text
    assert '<p class="error" id="error" role="alert">' in answer.text
    assert "<script>" not in answer.text


def test_a_form_in_french_is_answered_in_french_whatever_the_browser_prefers(house: House) -> None:
    answer = house.ask(language="fr", shown="")
    assert '<html lang="fr"' in answer.text
    assert '<html lang="en"' in house.ask(language="tlh").text


def test_a_link_that_is_too_old_or_not_ours_says_what_to_do(house: House) -> None:
    for page in PAGES:
        for answer in (house.http.get(NEVER.format(page)), house.http.post(NEVER.format(page))):
            assert answer.status_code == 404
            assert 'href="/abonnement"' in answer.text
            assert "mailto:bonjour@cercle.example" in answer.text


def test_a_link_is_good_for_its_own_page_alone(house: House) -> None:
    zoe = house.subscribe()
    leave = house.link("desabonnement", zoe).removeprefix("/desabonnement/")
    for page in ("confirmation", "preferences"):
        assert house.http.post(f"/{page}/{leave}", data={"what": "leave"}).status_code == 404
    confirmed = house.confirm_link().rpartition("/")[2]
    assert house.http.post(f"/desabonnement/{confirmed}").status_code == 404
    assert house.zoe().state is State.ACTIVE


# --- the mail that cannot leave -------------------------------------------------------------------


def test_a_server_that_is_down_is_told_kindly_and_nothing_is_half_done(
    tmp_path: Path, sqlite_file: Path
) -> None:
    port = free_port()
    more = f'[delivery]\nprovider = "smtp"\n[smtp]\nhost = "127.0.0.1"\nport = {port}\n'
    more += 'security = "none"\ntimeout = 1.0\n'
    with serving(tmp_path, sqlite_file, more=more) as house:
        answer = house.ask()
        assert (answer.status_code, "try again in a few minutes" in answer.text) == (503, True)
        assert ZOE not in house.everything()


def test_an_address_that_the_server_refuses_is_told_and_a_retry_is_taken_at_once(
    tmp_path: Path, sqlite_file: Path
) -> None:
    with smtp_server() as server:
        more = f'[delivery]\nprovider = "smtp"\n[smtp]\nhost = "127.0.0.1"\nport = {server.port}\n'
        more += 'security = "none"\n[bounces]\naddress = "retour@cercle.example"\n'
        with serving(tmp_path, sqlite_file, more=more) as house:
            server.replies[ZOE] = "550 5.1.1 no such mailbox"
            answer = house.ask()
            assert (answer.status_code, "does not take mail for" in answer.text) == (422, True)
            server.replies[ZOE] = "451 4.7.1 come back later"
            assert house.ask().status_code == 503
            assert (ZOE in house.everything(), server.taken) == (False, [])
            del server.replies[ZOE]
            assert house.ask().status_code == 200
            assert house.zoe().state is State.PENDING
            zoe = house.zoe()
    [taken] = server.taken
    read = verp_reader(base="retour@cercle.example", secret=SECRET)
    assert (taken.to, read(taken.sender)) == (ZOE, zoe.public_id)  # a bounce finds its way back


# --- the way out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES + ["abonnement"])
def test_what_scanners_and_prefetchers_do_changes_nothing(house: House, page: str) -> None:
    """Wishes 13: security scanners follow every link of a mail."""
    house.subscribe()
    house.ask()
    target = {
        "confirmation": house.confirm_link(),
        "abonnement": f"/abonnement?email={ZOE}",
    }.get(page) or house.link(page)
    before, mails = house.everything(), len(house.mails())
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND"):
        for headers in (
            {},
            {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"},
            {"User-Agent": "Mozilla/5.0 (compatible; SafeLinks)", "Referer": "https://x.example/"},
        ):
            answer = house.http.request(method, target, headers=headers)
            assert answer.status_code == (200 if method in ("GET", "HEAD") else 405), method
            if method == "HEAD":
                assert answer.content == b""
    assert (house.everything(), len(house.mails())) == (before, mails)


def multipart(text: str) -> dict[str, object]:
    return {"content": text.replace("\n", "\r\n"),
            "headers": {"Content-Type": "multipart/form-data; boundary=xYz"}}  # fmt: skip


@pytest.mark.parametrize(
    "sent",
    [
        {"data": ONE_CLICK},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        multipart('--xYz\nContent-Disposition: form-data; name="List-Unsubscribe"\n\nOne-Click\n'
                  "--xYz--\n"),
        multipart("broken"),
        {"content": b""},
        {"content": b"\xff\xfe", "headers": {"Content-Type": "text/plain"}},
    ],
)  # fmt: skip
def test_one_click_leaves_without_cookie_login_referer_or_redirect(
    house: House, sent: dict[str, object]
) -> None:
    link = house.link("desabonnement", house.subscribe())
    with httpx.Client(base_url=house.base, follow_redirects=False) as program:
        for _ in range(3):  # mail programs repeat themselves
            answer = program.post(link, **sent)  # type: ignore[arg-type]
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
    assert house.zoe().state is State.UNSUBSCRIBED
    kinds = [one.kind for one in house.log()]
    assert kinds == [Kind.ASKED, Kind.CONFIRMED, Kind.UNSUBSCRIBED]
    assert house.log()[-1].source == "desabonnement"


def test_one_click_is_quick(house: House) -> None:
    link = house.link("desabonnement", house.subscribe())
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        house.http.post(link, data=ONE_CLICK)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.03


def test_the_button_of_the_page_sends_what_mail_programs_send(house: House) -> None:
    link = house.link("desabonnement", house.subscribe())
    page = house.http.get(link).text
    assert f'<form method="post" action="{link}">' in page
    assert '<input type="hidden" name="List-Unsubscribe" value="One-Click">' in page
    assert "z…@lettre.example" in page
    assert ZOE not in page


def test_a_link_works_on_for_who_has_gone_already_and_not_for_who_was_forgotten(
    house: House,
) -> None:
    zoe = house.subscribe()
    with writing(house.engine) as connection:
        register.move(connection, zoe, Event.COMPLAIN, now=zoe.state_at, source="test")
    assert house.http.post(house.link("desabonnement"), data=ONE_CLICK).status_code == 200
    assert house.zoe().state is State.COMPLAINED

    register.forget(house.engine, ZOE, secret=SECRET, now=zoe.state_at, source="test")
    for page in ("desabonnement", "preferences"):
        assert house.http.get(house.link(page, zoe)).status_code == 404
        assert house.http.post(house.link(page, zoe), data=ONE_CLICK).status_code == 404


# --- what is known of one -------------------------------------------------------------------------


def test_the_preferences_tell_in_general_and_hand_over_all_as_a_file(house: House) -> None:
    link = house.link("preferences", house.subscribe())
    page = house.http.get(link).text
    assert "z…@lettre.example" in page
    for private in (ZOE, "Zoé", house.zoe().public_id):
        assert private not in page

    file = house.http.post(link, data={"what": "data"})
    assert file.headers["content-disposition"] == 'attachment; filename="infolettre.json"'
    told = file.json()
    assert (told["address"], told["first_name"], told["state"]) == (ZOE, "Zoé", "active")
    assert [one["kind"] for one in told["consents"]] == ["asked", "confirmed"]


def test_one_leaves_from_the_preferences_too_and_by_that_button_alone(house: House) -> None:
    link = house.link("preferences", house.subscribe())
    for what in ({}, {"what": "?"}, ONE_CLICK):
        assert house.http.post(link, data=what).status_code == 200
        assert house.zoe().state is State.ACTIVE
    assert "You are unsubscribed" in house.http.post(link, data={"what": "leave"}).text
    assert (house.zoe().state, house.log()[-1].source) == (State.UNSUBSCRIBED, "preferences")
    assert 'value="leave"' not in house.http.get(link).text


# --- limits and headers ---------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_refused_and_changes_nothing(house: House) -> None:
    house.subscribe()
    before = house.everything()
    for path in ("/abonnement", *(house.link(page) for page in PAGES[1:])):
        answer = house.http.post(path, data={"what": "leave", "email": "x" * 20_000})
        assert answer.status_code == 413
    assert house.everything() == before


@pytest.mark.parametrize(
    "sent",
    [
        {"files": {"email": ("a.txt", b"zoe@lettre.example")}},
        {"data": {f"field{number}": "x" for number in range(30)}},
        multipart("broken"),
    ],
)
def test_what_is_no_form_of_ours_is_refused(house: House, sent: dict[str, object]) -> None:
    answer = house.http.post("/abonnement", **sent)  # type: ignore[arg-type]
    assert answer.status_code in (400, 422)
    assert ZOE not in house.everything()


def test_who_sends_too_slowly_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "MAX_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", house.http.base_url.port or 0)) as slow:
        slow.settimeout(10)
        slow.sendall(b"POST /abonnement HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
                     b"Content-Type: application/x-www-form-urlencoded\r\n\r\nemail=")  # fmt: skip
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_slow_mail_server_keeps_nobody_from_leaving(tmp_path: Path, sqlite_file: Path) -> None:
    hung, release = threading.Semaphore(0), threading.Event()

    def hang(connection: socket.socket) -> None:
        hung.release()
        release.wait(20)

    with tcp_server(hang) as port:
        more = f'[delivery]\nprovider = "smtp"\n[smtp]\nhost = "127.0.0.1"\nport = {port}\n'
        with serving(tmp_path, sqlite_file, more=more + 'security = "none"\n') as house:
            register.add_subscriber(
                house.engine,
                register.Newcomer(address=ZOE),
                Consent(kind=Kind.ADDED, at=datetime.now(UTC), source="test"),
            )

            def ask(number: int) -> int:
                with httpx.Client(base_url=house.base, headers=ENGLISH, timeout=20) as http:
                    fields = shown | {"email": f"flot{number}@lettre.example"}
                    return http.post("/abonnement", data=fields).status_code

            shown = house.fields()
            with ThreadPoolExecutor(60) as crowd:
                asking = [crowd.submit(ask, number) for number in range(60)]
                assert hung.acquire(timeout=20)
                left = house.http.post(house.link("desabonnement"), data=ONE_CLICK, timeout=5)
                release.set()
                assert {one.result() for one in asking} == {503}
            assert (left.status_code, house.zoe().state) == (200, State.UNSUBSCRIBED)
            assert "flot" not in house.everything()


def test_every_page_is_safe_and_none_is_kept_or_indexed_but_the_form(house: House) -> None:
    house.subscribe()
    paths = ["/abonnement", "/rien", NEVER.format("confirmation"), house.confirm_link()]
    answers = [house.http.get(path) for path in paths + [house.link(page) for page in PAGES[1:]]]
    answers += [house.ask(), house.ask(email="?"), house.http.post(house.link("desabonnement"))]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "form-action 'self'" in policy
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
        assert "set-cookie" not in answer.headers
        is_form = answer.request.method == "GET" and answer.url.path == "/abonnement"
        assert (answer.headers.get("x-robots-tag") == "noindex") is not is_form
        assert "<script" not in answer.text
        assert "Le Cercle &lt;des&gt; cafés" in answer.text


def test_a_page_that_is_none_says_so_and_no_docs_are_served(house: House) -> None:
    for path in ("/rien", "/docs", "/openapi.json", "/abonnement/", "/desabonnement"):
        answer = house.http.get(path)
        assert (answer.status_code, "does not exist" in answer.text) == (404, True), path


def test_the_archive_is_served_as_soon_as_it_is_built(house: House) -> None:
    assert house.http.get("/").headers["location"] == "/abonnement"
    letter = house.folder / "site" / "2026-11-20-des-cafes"
    letter.mkdir(parents=True)
    (house.folder / "site" / "index.html").write_text("<h1>Toutes les lettres</h1>")
    (letter / "index.html").write_text("<h1>Des cafés</h1>")

    index = house.http.get("/")
    assert (index.status_code, "Toutes les lettres" in index.text) == (200, True)
    assert "script-src" not in index.headers["content-security-policy"]
    assert index.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Des cafés" in house.http.get("/2026-11-20-des-cafes/").text
    for path in ("/../test.db", "/%2e%2e/test.db", "/site/../../test.db"):
        assert house.http.get(path).status_code == 404
    assert house.http.post("/").status_code == 405


def test_links_in_mails_do_not_believe_what_a_request_says_of_itself(house: House) -> None:
    lies = {
        "Host": "mal.example",
        "X-Forwarded-Host": "mal.example",
        "Forwarded": "host=mal.example",
    }
    house.http.post("/abonnement", data=house.fields(), headers=lies)
    assert "mal.example" not in body(house.mails()[-1], "plain")
    assert house.confirm_link().startswith(house.base)
