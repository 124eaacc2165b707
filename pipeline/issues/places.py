"""From what a JSON Schema refused to a sentence at its line, with what is allowed instead."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import jsonschema_rs

from pipeline.errors import Mistake
from pipeline.text.document import Document, Path
from pipeline.words import mark

KINDS: Final = {
    "string": mark("a text"),
    "integer": mark("a whole number"),
    "number": mark("a number"),
    "boolean": mark("true or false"),
    "array": mark("a list (lines that begin with “- ”)"),
    "object": mark("fields (lines such as “name: value”)"),
    "null": mark("nothing"),
}

#: What French speakers write for a name, and the names that they mean, the likeliest first.
SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "titre": ("heading", "title"),
    "sous-titre": ("subtitle",),
    "soustitre": ("subtitle",),
    "objet": ("subject",),
    "numero": ("number",),
    "numéro": ("number",),
    "langue": ("language",),
    "expediteur": ("sender",),
    "expéditeur": ("sender",),
    "bloc": ("block",),
    "blocs": ("blocks",),
    "texte": ("body",),
    "corps": ("body",),
    "lien": ("url", "link"),
    "auteur": ("author", "authors"),
    "auteurs": ("authors",),
    "ville": ("city",),
    "lieu": ("place",),
    "heure": ("time",),
    "debut": ("time",),
    "début": ("time",),
    "fin": ("end",),
    "citation": ("quote",),
    "evenements": ("events",),
    "événements": ("events",),
    "articles": ("items",),
    "postes": ("positions",),
    "legende": ("image_caption",),
    "légende": ("image_caption",),
    "masque": ("hidden",),
    "masqué": ("hidden",),
    "prenom": ("first_name",),
    "prénom": ("first_name",),
    "nom": ("last_name", "name"),
    "courriel": ("email",),
    "firstname": ("first_name",),
}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the name that was meant by ``name``, as far as one can tell, else nothing."""
    names = list(known)
    meant = next((one for one in SYNONYMS.get(name.lower(), ()) if one in names), "")
    return meant or next(iter(get_close_matches(name, names, n=1)), "")


def explain(
    error: jsonschema_rs.ValidationError,
    *,
    schema: Mapping[str, Any],
    document: Document,
    path: Path,
) -> Iterator[Mistake]:
    """Yield the mistakes of one refusal by ``schema``; ``path`` leads to what was validated."""
    at = (*path, *error.instance_path)
    facts: dict[str, Any] = error.kind.as_dict()
    name = error.kind.name
    if name == "additionalProperties":
        known = _known(schema, error.schema_path)
        for unknown in facts["unexpected"]:
            yield _unknown(document, (*at, unknown), known)
    elif name == "required":
        message = mark("the field “{name}” is missing here")
        yield document.mistake(at, message, name=facts["property"])
    elif name == "type":
        yield _wrong_type(document, at, facts["types"], error.instance)
    elif name == "enum":
        message = mark("“{found}” is not allowed here; allowed: {known}")
        options = ", ".join(map(str, facts["options"]))
        yield document.mistake(at, message, found=error.instance, known=options)
    elif name in ("minLength", "minItems"):
        yield document.mistake(at, mark("this is empty: fill it in, or remove the field"))
    elif name == "pattern" and at[-1] == "id":
        message = mark("“{found}” is no anchor: small letters, digits and hyphens, as “agenda-2”")
        yield document.mistake(at, message, found=error.instance)
    else:
        yield document.mistake(at, mark("this is not allowed: {reason}"), reason=error.message)


def _known(schema: Any, schema_path: list[str | int]) -> tuple[str, ...]:
    """Return the names that the object at ``schema_path`` may have."""
    for step in schema_path[:-1]:
        schema = schema[step]
    return tuple(schema.get("properties", ()))


def _unknown(document: Document, at: Path, known: tuple[str, ...]) -> Mistake:
    near = nearest(str(at[-1]), known)
    message = mark("there is no field “{name}” here; allowed: {known}")
    if near:
        message = mark("there is no field “{name}” here; did you mean: {known}")
    return document.mistake(at, message, key=True, name=at[-1], known=near or ", ".join(known))


def _wrong_type(document: Document, at: Path, types: list[str], found: object) -> Mistake:
    if found is None:
        return document.mistake(at, mark("this is empty: fill it in, or remove the field"))
    if types == ["string"] and not isinstance(found, dict | list):
        written = document.text[document.span(at).start : document.span(at).end].strip()
        message = mark("a text is expected here: put “{found}” in quotes")
        return document.mistake(at, message, found=written)
    message = mark("expected {expected}, found {found}")
    return document.mistake(
        at,
        message,
        expected=KINDS[types[0]],
        found=KINDS[_kind(found)],
    )


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    kinds: dict[type, str] = {int: "integer", float: "number", str: "string", list: "array"}
    return kinds.get(type(value), "object")
