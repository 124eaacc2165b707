"""The routes: GET shows, POST does, and has done it before it answers (T6, T7).

A link may be followed by scanners and by programs that fetch ahead: GET and HEAD change nothing.
No cookie is set, no address of a machine is kept. Deciding is elsewhere.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipeline.audience import optin
from pipeline.audience.consent import Kind
from pipeline.audience.exporting import person_facts
from pipeline.audience.optin import Answer, Mail, Verdict
from pipeline.audience.register import Subscriber, consents_of, find_by_public_id
from pipeline.audience.states import State
from pipeline.delivery import ports
from pipeline.delivery.fields import make_message_id
from pipeline.delivery.history import letters_of
from pipeline.delivery.recipient import Recipient
from pipeline.delivery.verp import verp_of
from pipeline.errors import InfolettreError, InputError
from pipeline.store.engine import reading
from pipeline.web.public.desk import ASK, CONFIRM, LEAVE, PREFERENCES, Desk
from pipeline.web.public.forms import drain, read_form
from pipeline.web.public.mails import Order, write_mail
from pipeline.web.public.pages import (
    Page,
    choose_language,
    digest_of,
    fill_page,
    page_policy,
    request_of,
    wording_of,
)
from pipeline.words import LANGUAGES, mark, say

_log = logging.getLogger(__name__)

#: A field that people do not see; programs that fill in forms do.
TRAP: Final = "message"
_SEE: Final = ["GET", "HEAD"]
#: Requests whose mail is under way at once: a slow mail server keeps nobody from leaving.
_MAILING: Final = 8
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
#: What the person said themselves; a request alone may be anybody's.
_AGREED: Final = (Kind.CONFIRMED, Kind.ADDED, Kind.IMPORTED)
_NEW_TEXT: Final = mark("the text below has changed meanwhile: read it, and press again")
_REFUSED: Final = mark(
    "the mail server does not take mail for “{address}”: check the spelling, then try again"
)


def public_router(desk: Desk) -> APIRouter:
    """Return the routes of the public pages."""
    counter, router = Counter(desk), APIRouter()
    mailing = asyncio.Semaphore(_MAILING)

    @router.api_route(f"/{ASK}", methods=_SEE)
    async def see_form(request: Request) -> Response:
        return counter.answer(counter.form(language=counter.language(request)), index=True)

    @router.post(f"/{ASK}")
    async def ask(request: Request) -> Response:
        fields = await read_form(request)
        language = counter.language(request, fields)
        async with mailing:
            return counter.answer(await run_in_threadpool(counter.ask, fields, language))

    @router.api_route(f"/{CONFIRM}/{{token}}", methods=_SEE)
    async def see_confirm(request: Request, token: str) -> Response:
        return counter.answer(counter.see_confirm(token, counter.language(request)))

    @router.post(f"/{CONFIRM}/{{token}}")
    async def confirm(request: Request, token: str) -> Response:
        await drain(request)
        language = counter.language(request)
        return counter.answer(await run_in_threadpool(counter.confirm, token, language))

    @router.api_route(f"/{LEAVE}/{{token}}", methods=_SEE)
    async def see_leave(request: Request, token: str) -> Response:
        language = counter.language(request)
        return counter.answer(await run_in_threadpool(counter.see_leave, token, language))

    @router.post(f"/{LEAVE}/{{token}}")
    async def leave(request: Request, token: str) -> Response:
        await drain(request)  # whatever it says: who holds the link and posts wants to leave
        language = counter.language(request)
        return counter.answer(await run_in_threadpool(counter.leave, token, LEAVE, language))

    @router.api_route(f"/{PREFERENCES}/{{token}}", methods=_SEE)
    async def see_preferences(request: Request, token: str) -> Response:
        language = counter.language(request)
        return counter.answer(await run_in_threadpool(counter.see_preferences, token, language))

    @router.post(f"/{PREFERENCES}/{{token}}")
    async def preferences(request: Request, token: str) -> Response:
        fields, language = await read_form(request), counter.language(request)
        what = fields.get("what", "")
        if what == "data":
            return await run_in_threadpool(counter.data, token, language)
        if what == "leave":
            page = await run_in_threadpool(counter.leave, token, PREFERENCES, language)
        else:
            page = await run_in_threadpool(counter.see_preferences, token, language)
        return counter.answer(page)

    return router


class Counter:
    """What happens at each page; a method a route, each of them waits for the database."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.settings = desk.settings
        self.headers = {**_HEADERS, "Content-Security-Policy": page_policy(desk.settings.theme)}

    def language(self, request: Request, fields: Mapping[str, str] | None = None) -> str:
        """Return the language of a page: that of the form which was sent, else the browser's."""
        said = (fields or {}).get("language", "")
        accepted = request.headers.get("accept-language", "")
        return said if said in LANGUAGES else choose_language(accepted, self.settings.site.language)

    def answer(self, page: Page, *, index: bool = False) -> Response:
        """Return a page with its headers; ``index`` lets search engines name it."""
        response = HTMLResponse(page.html, page.status, headers=self.headers)
        if index:
            del response.headers["X-Robots-Tag"]
        return response

    def page(self, name: str, language: str, *, status: int = 200, **facts: Any) -> Page:
        return fill_page(name, settings=self.settings, language=language, status=status, **facts)

    def lost(self, language: str) -> Page:
        """Return the page for a link that is none of ours, or too old."""
        return self.page("lost", language, status=404, ask=f"/{ASK}")

    # --- to ask and to confirm -----------------------------------------------------------------

    def form(
        self, *, language: str, fields: Mapping[str, str] | None = None, error: str = ""
    ) -> Page:
        wording = wording_of(self.settings, language)
        return self.page(
            "ask",
            language,
            status=422 if error else 200,
            ask=f"/{ASK}",
            trap=TRAP,
            wording=wording,
            shown=digest_of(wording),
            fields=fields or {},
            error=error,
        )

    def ask(self, fields: Mapping[str, str], language: str) -> Page:
        """Take a request and answer it by mail. The page is the same whoever has the address."""
        asked = request_of(fields, self.settings, language)
        if fields.get("shown") != digest_of(asked.wording):
            return self.form(language=language, fields=fields, error=say(_NEW_TEXT, language))
        done = self.page("asked", language, address=asked.address.strip())
        if fields.get(TRAP):
            return done
        try:
            answer = optin.ask(self.desk.engine, asked, now=self.desk.now())
        except InputError as error:
            return self.form(language=language, fields=fields, error=error.say(language))
        if answer.mail is None:
            return done
        try:
            state = self.send(answer, answer.mail, language)
        except Exception:  # our own fault: the person's request is undone all the same
            optin.take_back(self.desk.engine, answer, now=self.desk.now())
            raise
        if state in (ports.State.ACCEPTED, ports.State.UNCERTAIN):
            return done
        optin.take_back(self.desk.engine, answer, now=self.desk.now())
        if state is ports.State.FAILED:
            refused = say(_REFUSED, language, address=answer.address)
            return self.form(language=language, fields=fields, error=refused)
        return self.page("trouble", language, status=503)

    def send(self, answer: Answer, mail: Mail, language: str) -> ports.State:
        """Hand the mail over, outside of any transaction; return what became of it."""
        try:
            return self._send(answer, mail, language)
        except InfolettreError as error:  # the world failed, or a setting is not as it should be
            _log.error("no mail to confirm: %s", error)
            return ports.State.DEFERRED

    def _send(self, answer: Answer, mail: Mail, language: str) -> ports.State:
        make = self.desk.confirm_address
        link = (
            make(answer.public_id, answer.name)
            if mail is Mail.CONFIRM
            else self.desk.leave_address(answer.public_id)
        )
        order = Order(
            mail=mail, language=language, link=link, day=self.desk.now().astimezone(UTC).date()
        )
        letter = write_mail(order, self.settings)
        bounces, secret = self.settings.bounces.address, self.desk.keys.current
        recipient = Recipient(
            id=answer.public_id,
            address=answer.address,
            message_id=make_message_id(mail.value, answer.name, letter.frame.domain),
            envelope=verp_of(answer.public_id, base=bounces, secret=secret) if bounces else "",
        )
        outcome = self.desk.post(letter, recipient)
        if outcome.state is not ports.State.ACCEPTED:
            # Not the server's words: they may name the person.
            _log.error("no mail to confirm: %s", outcome.enhanced or outcome.code or outcome.state)
        return outcome.state

    def see_confirm(self, token: str, language: str) -> Page:
        if self.desk.read_confirm(token) is None:
            return self.lost(language)
        return self.page("confirm", language, here=f"/{CONFIRM}/{token}")

    def confirm(self, token: str, language: str) -> Page:
        found = self.desk.read_confirm(token)
        if found is None:
            return self.lost(language)
        verdict = optin.confirm(
            self.desk.engine, *found, now=self.desk.now(), secrets=self.desk.keys
        )
        if verdict is Verdict.LOST:
            return self.lost(language)
        return self.page("confirmed", language)

    # --- to leave, and to see ------------------------------------------------------------------

    def person(self, token: str, page: str) -> Subscriber | None:
        public_id = self.desk.read_person(token, page)
        if public_id is None:
            return None
        with reading(self.desk.engine) as connection:
            return find_by_public_id(connection, public_id)

    def see_leave(self, token: str, language: str) -> Page:
        person = self.person(token, LEAVE)
        if person is None:
            return self.lost(language)
        return self.page("leave", language, here=f"/{LEAVE}/{token}", address=person.address)

    def leave(self, token: str, page: str, language: str) -> Page:
        public_id = self.desk.read_person(token, page)
        now = self.desk.now()
        left = public_id and optin.leave(self.desk.engine, public_id, now=now, source=page)
        return self.page("left", language, ask=f"/{ASK}") if left else self.lost(language)

    def see_preferences(self, token: str, language: str) -> Page:
        person = self.person(token, PREFERENCES)
        if person is None:
            return self.lost(language)
        with reading(self.desk.engine) as connection:
            log = consents_of(connection, person)
        return self.page(
            "preferences",
            language,
            here=f"/{PREFERENCES}/{token}",
            ask=f"/{ASK}",
            person=person,
            state=person.state.value,
            is_written_to=person.state in (State.ACTIVE, State.PENDING),
            agreed=next(
                (one for one in reversed(log) if one.kind in _AGREED and one.wording), None
            ),
        )

    def data(self, token: str, language: str) -> Response:
        """Return all that is known of a person, as a file for that person (T16)."""
        person = self.person(token, PREFERENCES)
        if person is None:
            return self.answer(self.lost(language))
        with reading(self.desk.engine) as connection:
            letters = letters_of(connection, person.id)
            facts = person_facts(connection, person) | {"letters": letters}
        name = {"Content-Disposition": 'attachment; filename="infolettre.json"'}
        return Response(
            json.dumps(facts, ensure_ascii=False, indent=2) + "\n",
            media_type="application/json",
            headers={**self.headers, **name},
        )
