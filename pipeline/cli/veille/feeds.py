"""Which feeds are followed: lists are imported and exported, one is followed and unfollowed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from pipeline.cli.speech import language, show, show_json, tell, tell_count, write_out
from pipeline.cli.tally import figure
from pipeline.cli.veille.opened import now
from pipeline.veille import following
from pipeline.veille.watchlists import Mend
from pipeline.workspace import find_workspace, shown

SHOWN: Final = 20  # repairs that are told one by one


@click.command("import", help=tell("Take in a list of feeds. OPML, as feed readers export it."))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help=tell("Print the summary for a script."))
def import_command(file: Path, as_json: bool) -> None:
    workspace = find_workspace(Path.cwd())
    found = following.import_opml(workspace, file)
    if as_json:
        show_json(
            {
                "added": [{"title": one.title, "url": one.url} for one in found.added],
                "known": found.known,
                "mended": [one.say(language()) for one in found.mended],
                "left_out": [one.say(language()) for one in found.left_out],
                "backup": str(found.backup) if found.backup else None,
            }
        )
        return
    _show_mends(found.mended, tell("Mended on the way:"))
    _show_mends(found.left_out, tell("Left out:"))
    if found.backup:
        show(
            tell(
                "✓ {file} is written anew; as it was, it is in {backup}.",
                file=shown(workspace.watchlists),
                backup=shown(found.backup),
            )
        )
        return
    show(
        tell_count(
            "✓ {n} feed is new in {file}.",
            "✓ {n} feeds are new in {file}.",
            len(found.added),
            n=figure(len(found.added)),
            file=shown(workspace.watchlists),
        )
    )
    if found.known:
        show(
            "  "
            + tell_count(
                "{n} was there already.",
                "{n} were there already.",
                found.known,
                n=figure(found.known),
            )
        )
    if found.added:
        show(tell("To see what they bring: infolettre veille pull"))


def _show_mends(mends: Sequence[Mend], heading: str) -> None:
    if not mends:
        return
    click.echo(heading, err=True)
    for one in mends[:SHOWN]:
        click.echo(f"  {one.say(language())}", err=True)
    if (more := len(mends) - SHOWN) > 0:
        click.echo("  " + tell("… and {count} more", count=figure(more)), err=True)


@click.command("export", help=tell("Write the list of feeds out. OPML, for any feed reader."))
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def export_command(file: Path | None) -> None:
    opml = following.export_opml(find_workspace(Path.cwd()))
    write_out([opml.decode("utf-8")], file)


@click.command("follow", help=tell("Follow a site. Its feed is looked for and goes into the list."))
@click.argument("address")
@click.option("--watchlist", help=tell("Into this watchlist; one that is not there is made."))
def follow_command(address: str, watchlist: str | None) -> None:
    found = following.follow(find_workspace(Path.cwd()), address, watchlist=watchlist, now=now())
    show(
        tell(
            "✓ “{feed}” is followed, in the watchlist “{watchlist}”.",
            feed=found.feed.title or found.feed.url,
            watchlist=found.watchlist,
        )
    )
    show(f"  {found.feed.url}")
    if found.others:
        show(tell("The site has other feeds, too:"))
        for url in found.others:
            show(f"  {url}")


@click.command("unfollow", help=tell("Follow a feed no more. What it brought stays."))
@click.argument("name")
def unfollow_command(name: str) -> None:
    feed = following.unfollow(find_workspace(Path.cwd()), name)
    show(tell("✓ “{feed}” is not followed any more.", feed=feed.title or feed.url))
