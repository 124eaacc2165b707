"""The JSON Schemas (2020-12) of a block's fields and of a whole letter. Core: values only."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.blocks.block import Block, Library

Json = dict[str, Any]

#: The formats a text field may have; a field with none is one line of plain text.
FORMATS: Final = {
    "markdown": "CommonMark, without HTML",
    "markdown-line": "one paragraph of CommonMark, without HTML",
    "uri": "an address that begins with https://, http://, mailto: or tel:",
    "email": "an e-mail address",
    "date": "a day, as 2025-03-13",
    "time": "an hour, as 13:30",
    "image": "the name of an image file in the letter's folder",
    "language": "a language, as fr or en",
}

COMMON: Final[Json] = {
    "heading": {
        "type": "string",
        "title": "Titre du bloc",
        "description": "Affiché au-dessus du bloc et repris dans le sommaire.",
        "x-en": {"title": "Heading", "description": "Shown above the block and in the sommaire."},
    },
    "id": {
        "type": "string",
        "pattern": "^[a-z0-9][a-z0-9-]*$",
        "title": "Ancre",
        "description": "Adresse stable du bloc dans la page ; par défaut, tirée du titre.",
        "x-en": {
            "title": "Anchor",
            "description": "Stable address of the block in the page; by default from the heading.",
        },
    },
    "hidden": {
        "type": "boolean",
        "title": "Masqué",
        "description": "Le bloc reste dans le fichier mais n’est ni envoyé ni publié.",
        "x-en": {"title": "Hidden", "description": "Kept in the file, neither sent nor published."},
    },
    "only": {
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "minItems": 1,
        "title": "Réservé à",
        "description": "Segments d’abonnés qui voient ce bloc.",
        "x-en": {"title": "Only for", "description": "Segments of subscribers who see the block."},
    },
    "archive": {
        "type": "boolean",
        "title": "Dans l’archive",
        "description": "Montrer aussi dans l’archive un bloc réservé à des segments.",
        "x-en": {
            "title": "In the archive",
            "description": "Show in the archive too, although reserved to segments.",
        },
    },
}

LETTER: Final[Json] = {
    "number": {"type": "integer", "minimum": 0, "title": "Numéro", "x-en": {"title": "Number"}},
    "title": {"type": "string", "minLength": 1, "title": "Titre", "x-en": {"title": "Title"}},
    "subtitle": {"type": "string", "title": "Sous-titre", "x-en": {"title": "Subtitle"}},
    "date": {"type": "string", "format": "date", "title": "Date", "x-en": {"title": "Date"}},
    "language": {
        "type": "string",
        "enum": ["fr", "en"],
        "title": "Langue",
        "x-en": {"title": "Language"},
    },
    "subject": {
        "type": "string",
        "minLength": 1,
        "title": "Objet",
        "description": "Par défaut, le titre.",
        "x-en": {"title": "Subject", "description": "The title by default."},
    },
    "preheader": {
        "type": "string",
        "title": "Pré-en-tête",
        "description": "La ligne grise après l’objet ; par défaut, le sous-titre ou les titres.",
        "x-en": {
            "title": "Preheader",
            "description": "The grey line behind the subject; by default subtitle or headings.",
        },
    },
    "sender": {
        "type": "string",
        "title": "Expéditeur",
        "description": "Un profil de la table [senders] d’infolettre.toml.",
        "x-en": {"title": "Sender", "description": "A profile of [senders] in infolettre.toml."},
    },
    "blocks": {"type": "array", "title": "Blocs", "x-en": {"title": "Blocks"}},
}
REQUIRED: Final = ["number", "title", "date", "sender", "blocks"]

_LABEL: Final[Json] = {
    "type": "object",
    "required": ["fr", "en"],
    "additionalProperties": False,
    "properties": {"fr": {"type": "string"}, "en": {"type": "string"}},
}
#: What ``block.yaml`` may hold.
BLOCK_FILE: Final[Json] = {
    "type": "object",
    "required": ["label", "description", "icon", "schema"],
    "additionalProperties": False,
    "properties": {
        "label": _LABEL,
        "description": _LABEL,
        "icon": {"type": "string", "minLength": 1},
        "calendar": {"type": "string"},
        "words": {"type": "object", "additionalProperties": _LABEL},
        "schema": {
            "type": "object",
            "additionalProperties": False,
            "required": ["properties"],
            "properties": {
                "required": {"type": "array", "items": {"type": "string"}},
                "dependentRequired": {"type": "object"},
                "properties": {"type": "object", "additionalProperties": {"$ref": "#/$defs/field"}},
            },
        },
    },
    "$defs": {
        "field": {
            "type": "object",
            "required": ["type", "title", "x-en"],
            "properties": {
                "type": {
                    "anyOf": [
                        {"enum": ["string", "number", "integer", "boolean", "array", "object"]},
                        {"type": "array"},
                    ]
                },
                "title": {"type": "string", "minLength": 1},
                "x-en": {
                    "type": "object",
                    "required": ["title"],
                    "additionalProperties": False,
                    "properties": {
                        "title": {"type": "string", "minLength": 1},
                        "description": {"type": "string"},
                    },
                },
                "format": {"enum": sorted(FORMATS)},
                "items": {"$ref": "#/$defs/items"},
                "properties": {"type": "object", "additionalProperties": {"$ref": "#/$defs/field"}},
            },
        },
        "items": {
            "type": "object",
            "properties": {
                "format": {"enum": sorted(FORMATS)},
                "items": {"$ref": "#/$defs/items"},
                "properties": {"type": "object", "additionalProperties": {"$ref": "#/$defs/field"}},
            },
        },
    },
}


def block_schema(block: Block) -> Json:
    """Return the schema of one block as it stands in a letter, ``block:`` and all."""
    properties = {"block": {"const": block.name}, **COMMON, **block.properties}
    return {
        "type": "object",
        "title": block.label["fr"],
        "description": block.description["fr"],
        "additionalProperties": False,
        "required": ["block", *block.schema.get("required", [])],
        "dependentRequired": dict(block.schema.get("dependentRequired", {})),
        "properties": {name: _closed(field) for name, field in properties.items()},
    }


def letter_schema(library: Library) -> Json:
    """Return the schema of ``issue.yaml``, for completion in YAML editors."""
    choices = [block_schema(library[name]) for name in library]
    items = {
        "type": "object",
        "required": ["block"],
        "properties": {"block": {"enum": list(library)}},
        "allOf": [
            {
                "if": {"properties": {"block": {"const": one["properties"]["block"]["const"]}}},
                "then": one,
            }
            for one in choices
        ],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Infolettre",
        "type": "object",
        "additionalProperties": False,
        "required": REQUIRED,
        "properties": LETTER | {"blocks": LETTER["blocks"] | {"items": items}},
    }


def _closed(field: Json) -> Json:
    """Return ``field`` with every object inside it closed to unknown names."""
    if field.get("type") == "object":
        inner = {name: _closed(one) for name, one in field.get("properties", {}).items()}
        return {"additionalProperties": False, **field, "properties": inner}
    if field.get("type") == "array" and "items" in field:
        return field | {"items": _closed(field["items"])}
    return field


def texts_of(
    value: object, schema: Mapping[str, Any], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield (path, format, text) for every text in ``value`` that ``schema`` knows."""
    if isinstance(value, str):
        yield path, str(schema.get("format", "")), value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from texts_of(inner, schema.get("properties", {}).get(name, {}), (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from texts_of(inner, schema.get("items", {}), (*path, index))
