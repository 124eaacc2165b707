"""The public site as it really runs: a workspace on disk, uvicorn on a free port, an outbox."""

import asyncio
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import EmailMessage
from pathlib import Path

import httpx
from sqlalchemy import Engine, select

from pipeline.audience.consent import Consent
from pipeline.audience.register import Subscriber, consents_of, find_subscriber
from pipeline.audience.secret import Keys
from pipeline.audience.tokens import make_token
from pipeline.settings import Settings, parse_settings
from pipeline.store.engine import open_engine, reading
from pipeline.store.tables import metadata
from pipeline.web.site import SiteParts, SiteServer
from tests.servers import read_message

SECRET = b"a key of the tests alone"
SETTINGS = """
language = "fr"
[site]
name = "Le Cercle <des> cafés"
description = "Chaque vendredi."
[organisation]
name = "Le Cercle"
address = "14, rue des Tisserands, 80000 Amiens"
contact = "bonjour@cercle.example"
legal_url = "https://cercle.example/mentions"
[senders.redaction]
name = "Le Cercle"
email = "lettre@cercle.example"
[senders.bonjour]
name = "Le Cercle des cafés"
email = "inscription@cercle.example"
[subscription]
sender = "bonjour"
"""
ZOE = "zoe@lettre.example"
ENGLISH = {"Accept-Language": "en"}


@dataclass(kw_only=True)
class House:
    """A site that is being served; ``http`` speaks English and follows no redirect."""

    folder: Path
    engine: Engine
    settings: Settings
    http: httpx.Client

    @property
    def base(self) -> str:
        return str(self.http.base_url).rstrip("/")

    def mails(self) -> list[EmailMessage]:
        """Return what is in the outbox, oldest first."""
        files = sorted(
            (self.folder / "outbox" / "new").glob("*"), key=lambda one: one.stat().st_mtime_ns
        )
        return [read_message(file.read_bytes()) for file in files]

    def fields(self, **fields: str) -> dict[str, str]:
        """Return the form's fields as the page has them, with some filled in."""
        page = self.http.get("/abonnement").text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', page))
        return {**hidden, "email": ZOE, "first_name": "", "message": "", **fields}

    def ask(self, **fields: str) -> httpx.Response:
        return self.http.post("/abonnement", data=self.fields(**fields))

    def confirm_link(self) -> str:
        """Return the link of the newest mail."""
        text = body(self.mails()[-1], "plain")
        return str(re.findall(rf"{self.base}/confirmation/\S+", text)[0])

    def subscribe(self) -> Subscriber:
        """Let Zoé ask and confirm."""
        assert self.ask(first_name="Zoé").status_code == 200
        assert self.http.post(self.confirm_link()).status_code == 200
        return self.zoe()

    def zoe(self) -> Subscriber:
        with reading(self.engine) as connection:
            found = find_subscriber(connection, ZOE)
        assert found is not None
        return found

    def log(self) -> list[Consent]:
        with reading(self.engine) as connection:
            return consents_of(connection, self.zoe())

    def link(self, page: str, person: Subscriber | None = None) -> str:
        """Return the path of a person's own link, as mails have it."""
        subject = (person or self.zoe()).public_id
        return f"/{page}/{make_token(SECRET, purpose=page, subject=subject)}"

    def everything(self) -> str:
        """Return all that the database holds."""
        with reading(self.engine) as connection:
            return repr(
                [
                    tuple(row)
                    for table in metadata.sorted_tables
                    for row in connection.execute(select(table))
                ]
            )


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@contextmanager
def serving(
    folder: Path, empty: Path, *, more: str = "", environ: dict[str, str] | None = None
) -> Iterator[House]:
    """Serve a workspace in ``folder`` from a thread; ``empty`` is a database to copy, ``more``
    is put at the end of its settings."""
    shutil.copy(empty, folder / "test.db")
    settings = parse_settings(SETTINGS + more, path="infolettre.toml", environ=environ or {})
    settings = replace(settings, outbox=replace(settings.outbox, path="outbox"))
    engine = open_engine("sqlite:///test.db", folder)
    parts = SiteParts(
        engine=engine, settings=settings, root=folder, environ={}, keys=Keys(current=SECRET),
        archive=folder / "site",
    )  # fmt: skip
    server, ready = SiteServer(parts, host="127.0.0.1", port=0), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.run(lambda _: ready.set())))
    thread.start()
    try:
        assert ready.wait(20), "the site did not start"
        with httpx.Client(base_url=server.address, headers=ENGLISH, timeout=20) as http:
            yield House(folder=folder, engine=engine, settings=settings, http=http)
    finally:
        server.stop()
        thread.join(20)
        engine.dispose()
        assert not thread.is_alive(), "the site did not stop"
