"""Every sentence that people read exists in French and in English, with the same places."""

import re
from string import Formatter

import pytest
from babel.messages.catalog import Message

from pipeline.blocks.block import Block
from tests.builders import a_library
from tests.house.words import MO_FILE, PO_FILE, compiled, extract, read_catalogue, written

MESSAGES = [message for message in read_catalogue() if message.id]
_FORBIDDEN = re.compile("[^\u202f\u00a0 »][;!?»](?![\\w/)])| [:;!?»]|« |[a-zéè]'[a-zéèhA-Z]")


def sentences(said: object) -> tuple[str, ...]:
    """Return the one sentence of a message, or its two forms."""
    return tuple(map(str, said)) if isinstance(said, list | tuple) else (str(said or ""),)


def name(message: Message) -> str:
    return sentences(message.id)[0]


def places(text: str) -> set[str]:
    names = {field.split("!")[0] for _, field, _, _ in Formatter().parse(text) if field}
    return names | set(re.findall(r"%\((\w+)\)s", text))


def test_the_catalogue_holds_exactly_the_sentences_of_the_house() -> None:
    assert {name(one) for one in extract() if one.id} == {name(one) for one in MESSAGES}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: name(message)[:50])
def test_each_sentence_is_in_french_with_the_same_places(message: Message) -> None:
    said, asked = sentences(message.string), sentences(message.id)
    assert all(said), "no translation"
    assert not message.fuzzy
    for text in said:
        assert places(text) == places(asked[-1])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: name(message)[:50])
def test_each_french_sentence_is_typeset_as_french(message: Message) -> None:
    for text in sentences(message.string):
        prose = re.sub(r"&\w+;|::1|`[^`]*`|\{[^}]*\}|https?://|[\w.-]+:\w+|'[{}\w ]+'", "x", text)
        assert not _FORBIDDEN.search(prose), _FORBIDDEN.search(prose)


def test_the_compiled_catalogue_is_that_of_the_source() -> None:
    assert MO_FILE.read_bytes() == compiled(read_catalogue())


def test_the_catalogue_is_written_as_make_words_writes_it() -> None:
    assert PO_FILE.read_bytes() == written(read_catalogue())


@pytest.mark.parametrize("block", list(a_library().blocks.values()), ids=lambda block: block.name)
def test_each_block_speaks_both_languages(block: Block) -> None:
    for said in (block.label, block.description, *block.words.values()):
        assert said["fr"].strip()
        assert said["en"].strip()
