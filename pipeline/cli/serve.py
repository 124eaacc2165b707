"""``serve``: the public pages and the archive, over HTTP."""

import os
from pathlib import Path

import click

from pipeline.audience.secret import SECRET, read_keys
from pipeline.audience.tokens import MIN_SECRET
from pipeline.cli.speech import show, tell
from pipeline.errors import InputError
from pipeline.store.upgrade import opened_store
from pipeline.words import mark
from pipeline.workspace import find_workspace


@click.command(
    "serve",
    help=tell("Serve the public pages: subscribe, confirm, leave. And the archive, once built."),
)
@click.option("--host", default="127.0.0.1", show_default=True, help=tell("Address to serve on."))
@click.option("--port", default=8000, show_default=True, help=tell("Port on this machine."))
def serve_command(host: str, port: int) -> None:
    from pipeline.web.public.desk import ASK
    from pipeline.web.site import SiteParts, serve_site

    workspace = find_workspace(Path.cwd())
    settings = workspace.settings
    keys = read_keys(os.environ)
    if not keys.current:
        raise InputError(
            mark(
                "the links in mails need a key: put {least} random characters or more into the"
                " variable {variable}, keep it, then serve again"
            ),
            variable=SECRET,
            least=MIN_SECRET,
        )

    def ready(address: str) -> None:
        show(tell("Serving {address}/ (Ctrl-C to stop)", address=address))
        show("  " + tell("The form: {address}", address=f"{address}/{ASK}"))
        public = settings.site.url.rstrip("/")
        if public:
            show("  " + tell("In mails, links begin with {address}", address=f"{public}/"))
        else:
            show(
                "  "
                + tell("Links in mails only work on this machine: set [site] url for other people")
            )

    with opened_store(settings.database.url, workspace.root) as engine:
        parts = SiteParts(
            engine=engine,
            settings=settings,
            root=workspace.root,
            environ=os.environ,
            keys=keys,
            archive=workspace.var / "site",
        )
        serve_site(parts, host=host, port=port, on_ready=ready)
