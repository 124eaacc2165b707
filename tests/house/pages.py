"""The generated half of ``docs/``: blocks, settings, commands, refused letters, and pictures.

``make docs`` writes it; ``test_docs.py`` holds what is committed against the same text. Pictures
need Chromium, texts do not. What people wrote by hand is never touched, but for the typography
of the French pages.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from pipeline.blocks.block import Block
from pipeline.blocks.schema import COMMON, LETTER, REQUIRED
from pipeline.issues.draft import indented
from pipeline.settings import Palette, Settings
from pipeline.text.merge import MERGE_TAGS, MergeName
from pipeline.text.typography import typeset_run
from tests.builders import a_library
from tests.journeys.workshop import NEWEST, copy_workspace, run

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
GUIDE: Final = DOCS / "guide"
IMAGES: Final = DOCS / "images"
_SECTION: Final = re.compile(
    r"(?P<open><!-- generated: (?P<name>[\w -]+) -->\n).*?(?P<close><!-- /generated -->)", re.DOTALL
)

Json = Mapping[str, Any]
Scheme = Literal["light", "dark"]


# --- French typography of a page --------------------------------------------------------------

#: What is no prose: code, the target of a link, an address, a tag or a comment, a merge tag.
_NO_PROSE: Final = re.compile(
    r"(``.+?``|`[^`\n]+`|\]\([^)\n]*\)|<[^>\n]+>|\{\{.*?\}\}|https?://\S+|^\s*(?:[-*+]|\d+\.|>|#+) "
    r"|\|[ |-]*\||\|)",
    re.MULTILINE,
)
_SEAM: Final = re.compile(r"(\*{1,3})")
_FENCE: Final = re.compile(
    r"(^(?:```|~~~).*?^(?:```|~~~)[ ]*$|^<!--.*?-->$)", re.MULTILINE | re.DOTALL
)


def typeset_page(text: str) -> str:
    """Return a French page of Markdown with its prose typeset, and code left as it is."""
    pieces = _FENCE.split(text)
    pieces[::2] = ["\n".join(map(_typeset_line, piece.split("\n"))) for piece in pieces[::2]]
    return "".join(pieces)


def _typeset_line(line: str) -> str:
    words: list[str] = []
    prose: list[bool | None] = []  # None: a seam, which typography looks through
    for at, piece in enumerate(_NO_PROSE.split(line)):
        for part_at, part in enumerate([piece] if at % 2 else _SEAM.split(piece)):
            words.append(part)
            prose.append(False if at % 2 else (True if part_at % 2 == 0 else None))
    said = [word if is_prose else None for word, is_prose in zip(words, prose, strict=True)]
    seamed = ["" if is_prose is None else one for one, is_prose in zip(said, prose, strict=True)]
    done = typeset_run(seamed, language="fr")
    return "".join(
        word if one is None or is_prose is None else one
        for word, one, is_prose in zip(words, done, prose, strict=True)
    )


# --- tables ------------------------------------------------------------------------------------


def table(*rows: tuple[str, ...]) -> str:
    """Return a Markdown table; its first row is the heading."""
    lines = ["| " + " | ".join(one.replace("|", "\\|") for one in row) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("---" for _ in rows[0]) + " |", *lines[1:]])


_FORMATS: Final = {
    "": "une ligne de texte",
    "markdown": "du texte mis en forme",
    "markdown-line": "une ligne mise en forme",
    "uri": "une adresse : `https://…`, `mailto:…`",
    "email": "une adresse électronique",
    "date": "un jour, comme `2026-11-20`",
    "time": 'une heure, comme `"13:30"`',
    "image": "un fichier image du dossier de la lettre",
    "language": "une langue, comme `fr` ou `en`",
}
_TYPES: Final = {"boolean": "`true` ou `false`", "integer": "un nombre entier"}


def kind_of(schema: Json) -> str:
    """Say what a field holds, in French."""
    if "enum" in schema:
        return " ou ".join(f"`{one}`" for one in schema["enum"])
    if schema.get("type") == "array":
        inner = schema.get("items", {})
        if inner.get("type") == "object":
            return "une liste de fiches"
        return f"une liste : {kind_of(inner)}, pour chacun" if inner else "une liste"
    return _TYPES.get(str(schema.get("type")), _FORMATS[schema.get("format", "")])


def field_rows(schema: Json, properties: Json) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row a field: name, what it says, what it holds, whether it is needed."""
    needed = schema.get("required", ())
    paired = {
        name: given
        for given, names in schema.get("dependentRequired", {}).items()
        for name in names
    }
    yield "Champ", "Ce qu’il dit", "Ce qu’on y met", "Obligatoire"
    for name, one in properties.items():
        meaning = f"**{one['title']}**"
        if description := one.get("description"):
            meaning += f". {description}"
        must = "oui" if name in needed else f"avec `{paired[name]}`" if name in paired else ""
        yield f"`{name}`", meaning, kind_of(one), must


# --- the pages of the blocks ------------------------------------------------------------------


def block_page(block: Block) -> str:
    """Return the French page of a block: its picture, its fields and its example."""
    label = block.label["fr"]
    parts = [
        f"<!-- Page écrite par « make docs » d'après blocks/{block.name} : corrigez là-bas. -->",
        f"# {block.icon} {label}",
        block.description["fr"],
        f'<img src="../../images/blocs/{block.name}.png" width="640"'
        f' alt="Le bloc {label}, tel qu’il arrive dans un courriel">',
    ]
    if block.properties:
        parts += ["## Ses champs", table(*field_rows(block.schema, block.properties))]
    for name, one in block.properties.items():
        inner = one.get("items", {})
        if inner.get("type") == "object":
            parts += [
                f"Dans chaque fiche de `{name}` :",
                table(*field_rows(inner, inner["properties"])),
            ]
    parts += [
        "Comme tout bloc, il peut aussi porter `heading`, `id`, `hidden`, `only` et `archive` :"
        " voir [les champs communs](../ecrire.md#les-champs-communs-à-tous-les-blocs).",
        "## Un exemple",
        "À copier sous `blocks:`, dans le fichier `issue.yaml` de votre lettre.",
        f"```yaml\n{block_yaml(block)}\n```",
        "[← Tous les blocs](index.md)",
    ]
    return typeset_page("\n\n".join(parts) + "\n")


def block_yaml(block: Block) -> str:
    """Return the example of a block as it stands in a letter."""
    lines = indented(block.example_text) if block.example else []
    return "\n".join([f"- block: {block.name}", *(line[2:] for line in lines)])


def blocks_index() -> str:
    """Return the page that lists the blocks."""
    library = a_library()
    rows = [("Bloc", "Son nom dans la lettre", "À quoi il sert")]
    rows += [
        (f"{one.icon} [{one.label['fr']}]({name}.md)", f"`{name}`", one.description["fr"])
        for name, one in library.blocks.items()
    ]
    parts = [
        "<!-- Page écrite par « make docs » d'après blocks/ : ne la modifiez pas ici. -->",
        "# Les blocs",
        "Une lettre est une suite de blocs. Chacun a sa page : ce qu’il montre, ses champs, un"
        " exemple à copier. La commande `infolettre blocks` donne la même liste, et `infolettre"
        " blocks agenda` montre un bloc sans quitter le terminal.",
        table(*rows),
        "Il vous en manque un ? Un bloc est un simple dossier : demandez à la personne qui tient"
        " votre site de lire [Add a block](../../add-a-block.md).",
        "[← Le guide](../index.md)",
    ]
    return typeset_page("\n\n".join(parts) + "\n")


def whole_pages() -> dict[Path, str]:
    """Return the pages that are generated from end to end, by file."""
    blocks = GUIDE / "blocs"
    pages = {blocks / f"{one.name}.md": block_page(one) for one in a_library().blocks.values()}
    return {blocks / "index.md": blocks_index()} | pages


# --- the generated parts of pages written by hand -----------------------------------------------


def letter_fields() -> str:
    return table(*field_rows({"required": REQUIRED}, LETTER))


def common_fields() -> str:
    return table(*field_rows({}, COMMON))


_TAG_EXAMPLES: Final = {
    "first_name": "Bonjour {{first_name|à toutes et tous}}",
    "online_url": "[Lire en ligne]({{online_url}})",
    "unsubscribe_url": "[Se désabonner]({{unsubscribe_url}})",
}


def merge_tags() -> str:
    def row(tag: MergeName) -> tuple[str, ...]:
        example = _TAG_EXAMPLES.get(tag.name, f"{{{{{tag.name}}}}}")
        same = "de chaque personne" if tag.per_recipient else "de la lettre"
        return f"`{{{{{tag.name}}}}}`", tag.label_fr, same, f"`{example}`"

    heading = ("Balise", "Ce qui s’affiche", "Elle dépend", "Exemple")
    return table(heading, *map(row, MERGE_TAGS.values()))


#: What each setting means. A palette's colours are said once, for both schemes.
MEANINGS: Final = {
    "language": "La langue de la commande et de ses messages, `fr` ou `en`.",
    "site.name": "Le nom de la lettre, en tête de chaque envoi et de l’archive.",
    "site.description": "Une phrase qui la présente, sur la page d’accueil de l’archive.",
    "site.url": "L’adresse publique de l’archive. Vide : la lettre n’a pas de site, ses images"
    " voyagent dans le courriel et le désabonnement se fait en écrivant au contact.",
    "site.language": "La langue des nouvelles lettres et de l’archive.",
    "site.timezone": "Le fuseau horaire des rendez-vous et des dates.",
    "organisation.name": "Qui envoie la lettre. Affiché en pied de chaque courriel.",
    "organisation.address": "L’adresse postale. La loi la demande en pied de courriel.",
    "organisation.contact": "Une adresse électronique que quelqu’un relève.",
    "organisation.legal_url": "La page des mentions légales.",
    "organisation.why": "La phrase qui dit pourquoi on reçoit cette lettre.",
    "senders.<name>.name": "Le nom qui s’affiche comme expéditeur.",
    "senders.<name>.email": "L’adresse d’expédition.",
    "senders.<name>.reply_to": "Où arrivent les réponses. Vide : à l’adresse d’expédition.",
    "database.url": "Où sont les personnes et les envois : SQLite dans le dossier de travail, ou"
    " `postgresql://…`.",
    "theme.font_body": "Les polices du texte, de la préférée à la plus commune.",
    "theme.font_heading": "Les polices des titres et des boutons.",
    "theme.logo": "Le fichier du logo, depuis le dossier qui contient `infolettre.toml`.",
    "theme.logo_width": "Sa largeur, en pixels.",
    "theme.radius": "L’arrondi des coins, en pixels.",
    "theme.light.background": "Le fond derrière la lettre.",
    "theme.light.surface": "Le fond de la lettre.",
    "theme.light.ink": "Le texte.",
    "theme.light.muted": "Le texte discret : dates, sources, pied de page.",
    "theme.light.accent": "La couleur vive : boutons, filets, chiffres.",
    "theme.light.on_accent": "Le texte posé sur la couleur vive.",
    "theme.light.link": "Les liens.",
    "theme.light.rule": "Les traits.",
    "theme.light.tint": "Le fond des encadrés.",
    "render.images": "`linked` : les images sont lues sur le site ; `embedded` : elles voyagent"
    " dans le courriel, qui pèse plus lourd.",
    "delivery.provider": "Par où partent les lettres : `outbox` (un dossier de cette machine, rien"
    " ne part), `smtp` ou `sendgrid`.",
    "delivery.list_id": "Le nom stable de la liste, que lisent les messageries. Vide : tiré du nom"
    " de la lettre et du domaine de l’expéditeur.",
    "delivery.batch": "Combien de destinataires à la fois, au plus : c’est aussi ce dont on ne"
    " saurait pas dire le sort si la machine s’éteignait en plein envoi.",
    "delivery.rate": "Combien de messages par seconde au plus, tous programmes d’envoi réunis. 0 :"
    " sans limite.",
    "delivery.require_approval": "`true` : rien ne part avant un « bon à envoyer » (`infolettre"
    " campaign approve`).",
    "delivery.grace": "De combien de minutes un envoi programmé peut être en retard ; au-delà, il"
    " attend une personne.",
    "domains.<name>.rate": "Combien de messages par seconde un domaine de destinataires accepte ;"
    ' un tableau par domaine, comme `[domains."orange.example"]`.',
    "bounces.address": "L’adresse à laquelle reviennent les messages non remis. Vide : celle de"
    " l’expéditeur.",
    "bounces.maildir": "Le dossier Maildir où les lire.",
    "bounces.imap_host": "Ou le serveur IMAP où les lire ; le mot de passe est dans la variable"
    " `INFOLETTRE_IMAP_PASSWORD`.",
    "bounces.imap_port": "Son port.",
    "bounces.imap_username": "Le nom d’utilisateur.",
    "bounces.imap_folder": "Le dossier de la boîte.",
    "bounces.soft_limit": "Après combien de lettres de suite non remises une adresse est mise de"
    " côté.",
    "subscription.wording": "Le texte exact auquel on consent en s’abonnant ; il est gardé comme"
    " preuve. Vide : celui du formulaire.",
    "subscription.wording_version": "La version de ce texte.",
    "subscription.sender": "Le profil d’expéditeur des messages de confirmation ; un autre que"
    " celui des lettres, si possible. Vide : le premier profil.",
    "subscription.confirm_days": "Après combien de jours une demande non confirmée est effacée.",
    "outbox.path": "Le dossier où les lettres sont écrites quand rien ne part.",
    "smtp.host": "Le serveur d’envoi.",
    "smtp.port": "Son port.",
    "smtp.security": "`starttls` (port 587), `tls` (port 465), ou `none` pour un serveur de cette"
    " machine.",
    "smtp.username": "Le nom d’utilisateur. Vide : le serveur n’en demande pas.",
    "smtp.timeout": "Combien de secondes attendre une réponse.",
    "smtp.connections": "Combien de connexions à la fois.",
    "smtp.ca_file": "Le certificat d’une autorité qui vous est propre.",
    "dkim.domain": "Le domaine qui signe, celui de l’expéditeur. Vide : rien n’est signé ici, votre"
    " serveur s’en charge.",
    "dkim.selector": "Le nom sous lequel la clé publique est dans le DNS, devant `._domainkey`.",
    "dkim.second_selector": "De même pour une seconde clé, d’une autre sorte : l’une RSA, l’autre"
    " Ed25519, et chaque message porte les deux signatures. Vide : une seule clé signe.",
    "sendgrid.host": "L’adresse du service ; `https://api.eu.sendgrid.com` pour l’Europe.",
    "sendgrid.timeout": "Combien de secondes attendre une réponse.",
    "veille.allow_private": "Les réseaux privés où un flux peut être lu, comme `10.0.0.0/8`."
    " Aucun par défaut.",
    "veille.interval": "Combien de minutes entre deux lectures d’un flux.",
    "veille.spacing": "Combien de secondes entre deux demandes au même site.",
    "veille.keep_days": "Après combien de jours effacer ce que personne n’a retenu, marqué ni"
    " annoté.",
    "rules.<name>.do": "Que faire de l’entrée : `tag` la marque, `keep` la retient, `discard`"
    " l’écarte.",
    "rules.<name>.words": "Des mots ou des expressions : un seul suffit, sans regarder aux accents"
    " ni à la casse.",
    "rules.<name>.pattern": "À la place, une expression rationnelle.",
    "rules.<name>.where": "Où chercher : partout, dans le titre, le texte, l’auteur ou la source.",
    "rules.<name>.tag": "L’étiquette à poser.",
    "rules.<name>.watchlists": "Dans quelles listes de veille ; toutes, si rien n’est dit.",
    "rules.<name>.everywhere": "Si non, la règle ne vaut que pour les flux qui la nomment.",
    "veille.timeout": "Combien de secondes laisser à un site.",
    "veille.max_bytes": "Le poids d’un flux, au plus, en octets.",
    "veille.concurrency": "Combien de sites à la fois.",
}
_TITLES: Final = {
    "": "En tête du fichier",
    "site": "La lettre et son site : `[site]`",
    "organisation": "Qui envoie : `[organisation]`",
    "senders.<name>": "Les expéditeurs : `[senders.redaction]`, un par profil",
    "theme": "L’apparence : `[theme]`",
    "theme.light": "Les couleurs : `[theme.light]` et `[theme.dark]`",
    "render": "La mise en page : `[render]`",
    "delivery": "L’envoi : `[delivery]`",
    "domains.<name>": 'Les domaines à ménager : `[domains."orange.example"]`',
    "bounces": "Les retours : `[bounces]`",
    "subscription": "L’abonnement : `[subscription]`",
    "outbox": "La boîte d’essai d’essai : `[outbox]`",
    "smtp": "Par un serveur SMTP : `[smtp]`",
    "dkim": "La signature DKIM, par SMTP : `[dkim]`",
    "sendgrid": "Par SendGrid : `[sendgrid]`",
    "database": "La base de données : `[database]`",
    "veille": "La veille : `[veille]`",
    "rules.<name>": "Les règles de la veille : `[rules.sponsors]`",
}


def settings_tables() -> str:
    return "\n\n".join(_settings_of(Settings, ""))


def _settings_of(kind: type[Any], prefix: str) -> Iterator[str]:
    hints = get_type_hints(kind)
    section = prefix.rstrip(".")
    plain, inner = [], []
    for one in fields(kind):
        hint = get_args(hints[one.name])[1] if get_origin(hints[one.name]) is dict else None
        deeper = hint or hints[one.name]
        if isinstance(deeper, type) and hasattr(deeper, "__dataclass_fields__"):
            name = f"{prefix}{one.name}.<name>." if hint else f"{prefix}{one.name}."
            inner.append((deeper, name, one.default))
        else:
            plain.append((prefix + one.name, one.default))
    if section == "theme":
        plain_rows = [_setting_row(name, _shown(default)) for name, default in plain]
        yield _settings_section(section, plain_rows)
        yield _palettes({name: one for _, name, one in inner if isinstance(one, Palette)})
        return
    yield _settings_section(section, [_setting_row(name, _shown(one)) for name, one in plain])
    for deeper, name, _ in inner:
        yield from _settings_of(deeper, name)


def _settings_section(section: str, rows: list[tuple[str, ...]]) -> str:
    heading = ("Réglage", "Ce qu’il change", "Par défaut", "Variable d’environnement")
    return f"### {_TITLES[section]}\n\n{table(heading, *rows)}"


def _setting_row(name: str, default: str) -> tuple[str, ...]:
    return f"`{name}`", MEANINGS[name], default, f"`{variable_of(name)}`"


def variable_of(setting: str) -> str:
    """Return the environment variable that overrides a setting."""
    name = setting.replace("<name>", "redaction").upper().replace(".", "__")
    return f"INFOLETTRE_{name}"


def _palettes(defaults: Mapping[str, Palette]) -> str:
    heading = ("Réglage", "Ce qu’il colore", "Clair", "Sombre", "Variable d’environnement")
    light, dark = defaults["theme.light."], defaults["theme.dark."]
    rows = [
        (
            f"`theme.light.{one.name}`, `theme.dark.{one.name}`",
            MEANINGS[f"theme.light.{one.name}"],
            f"`{getattr(light, one.name)}`",
            f"`{getattr(dark, one.name)}`",
            f"`{variable_of(f'theme.light.{one.name}')}`",
        )
        for one in fields(Palette)
    ]
    return f"### {_TITLES['theme.light']}\n\n{table(heading, *rows)}"


def _shown(default: Any) -> str:
    if default is MISSING:
        return "à remplir"
    if default in ("", ()):
        return "vide"
    return f"`{default}`"


# --- the commands -------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def commands() -> dict[str, Any]:
    """Return click's facts of every command, in French, as another process knows them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.house.pages", "--commands"],
        cwd=ROOT,
        env={**os.environ, "INFOLETTRE_LANGUAGE": "fr"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def print_commands() -> None:
    """Print click's facts; the language of a process is chosen once, so it has one of its own."""
    import click

    from pipeline import cli

    group = cli._group()
    with click.Context(group, info_name="infolettre") as context:
        print(json.dumps(group.to_info_dict(context)["commands"], default=lambda _: None))


def each_command() -> Iterator[tuple[str, Json]]:
    """Yield every command that does something, with its facts."""
    for name, facts in commands().items():
        if inner := facts.get("commands"):
            for below, deeper in sorted(inner.items()):
                yield f"{name} {below}", deeper
        else:
            yield name, facts


def commands_reference() -> str:
    return "\n\n".join(_command_section(name, facts) for name, facts in each_command())


def _command_section(name: str, facts: Json) -> str:
    arguments, rows = [], []
    for one in facts["params"]:
        if one["param_type_name"] == "argument":
            word = one["name"].upper() + ("…" if one["nargs"] == -1 else "")
            arguments.append(word if one["required"] else f"[{word}]")
        elif "--help" not in one["opts"]:
            default = one["default"]
            said = (one["help"] or "").replace("<", "&lt;")
            if not one["is_flag"] and isinstance(default, str | int):
                said += f" Par défaut : `{default}`."
            value = "" if one["is_flag"] else " …"
            rows.append((f"`{one['opts'][0]}{value}`", said))
    usage = " ".join(["infolettre", name, *arguments])
    parts = [f"### `{usage}`", facts["help"]]
    if rows:
        parts.append(table(("Option", "Ce qu’elle fait"), *rows))
    return "\n\n".join(parts)


# --- letters with a mistake, and what the command says of them ----------------------------------

#: Each slip of the guide: what stands in its small letter, and what somebody wrote instead.
SLIPS: Final = {
    "date": ("date: 2026-11-27", "date: 27/11/2026"),
    "champ manquant": ("sender: redaction\n", ""),
    "champ inconnu": ("    heading: Le rendez-vous", "    titre: Le rendez-vous"),
    "bloc inconnu": ("block: agenda", "block: agendas"),
    "deux-points": ('title: "Bonjour : voici la lettre"', "title: Bonjour : voici la lettre"),
    "guillemet": ('title: "Bonjour : voici la lettre"', 'title: "Bonjour : voici la lettre'),
    "alignement": ("    heading: Le rendez-vous", "   heading: Le rendez-vous"),
    "tabulation": ("    heading: Le rendez-vous", "\theading: Le rendez-vous"),
    "heure": ('time: "18:30"', "time: 18.30"),
    "adresse": ("url: https://cafes.example/amiens", "url: cafes.example/amiens"),
    "balise": ("{{first_name|à toutes et tous}}", "{{prenom|à toutes et tous}}"),
    "image": ("image: lampe.png", "image: lampes.png"),
    "description": ("    image_alt: Une lampe verte posée sur une table.\n", ""),
    "expediteur": ("sender: redaction", "sender: rédaction"),
    "deux fois": ("number: 47\n", "number: 47\nnumber: 48\n"),
}


def small_letter() -> str:
    """Return the letter of the guide's first page: its first YAML."""
    found = re.search(r"^```yaml\n(.*?)^```", (GUIDE / "ecrire.md").read_text(), re.M | re.S)
    assert found, "ecrire.md has no letter"
    return found[1]


@contextmanager
def small_workspace() -> Iterator[Path]:
    """Yield a workspace that holds the guide's small letter, under the name ``ma-lettre``."""
    with tempfile.TemporaryDirectory() as folder:
        root = copy_workspace(Path(folder) / "cercle", "none")
        (root / "issues/ma-lettre").mkdir()
        shutil.copy(ROOT / "issues" / NEWEST / "lampe.png", root / "issues/ma-lettre")
        (root / "issues/ma-lettre/issue.yaml").write_text(small_letter(), encoding="utf-8")
        yield root


@lru_cache(maxsize=1)
def slips() -> dict[str, str]:
    """Return what ``validate`` says of each slip, as a console shows it."""
    letter = small_letter()
    told = {}
    with small_workspace() as root:
        for name, (right, wrong) in SLIPS.items():
            assert letter.count(right) == 1, f"the guide's letter has not one {right!r}"
            file = root / "issues/ma-lettre/issue.yaml"
            file.write_text(letter.replace(right, wrong), encoding="utf-8")
            done = run(root, "validate", "ma-lettre", INFOLETTRE_LANGUAGE="fr")
            assert done.code == 1, f"{name}: {done.out}{done.err}"
            told[name] = f"```text\n{done.err.rstrip()}\n```"
    return told


# --- the lot ------------------------------------------------------------------------------------


SECTIONS: Final[Mapping[str, Callable[[], str]]] = {
    "champs de la lettre": letter_fields,
    "champs communs": common_fields,
    "balises": merge_tags,
    "reglages": settings_tables,
    "commandes": commands_reference,
    **{f"erreur {name}": partial(lambda one: slips()[one], name) for name in SLIPS},
}


def renewed(text: str) -> str:
    """Return a page with its generated parts made anew."""

    def part(match: re.Match[str]) -> str:
        made = SECTIONS[match["name"]]()
        return f"{match['open']}\n{typeset_page(made)}\n\n{match['close']}"

    return _SECTION.sub(part, text)


def generated_texts() -> dict[Path, str]:
    """Return every file of the guide that generation touches, as it should be."""
    whole = whole_pages()
    written = [file for file in sorted(GUIDE.rglob("*.md")) if file not in whole]
    return whole | {file: typeset_page(renewed(file.read_text())) for file in written}


def write_texts() -> None:
    for file, text in generated_texts().items():
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            print(file.relative_to(ROOT))
    for file in (GUIDE / "blocs").glob("*.md"):
        if file not in whole_pages():
            file.unlink()


def main() -> None:
    if "--commands" in sys.argv:
        print_commands()
        return
    write_texts()
    from tests.house import pictures  # after the texts: it needs this module whole

    pictures.main()


if __name__ == "__main__":
    main()
