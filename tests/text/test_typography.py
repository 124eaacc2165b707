"""French typography stands where a French editor puts it, and nothing else moves."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polytypo import transform

from pipeline.text.typography import typeset, typeset_run


def french(text: str) -> str:
    """Typeset, and show the two no-break spaces: ~ is U+00A0, | is U+202F."""
    return typeset(text, language="fr").replace("\u00a0", "~").replace("\u202f", "|")


@pytest.mark.parametrize("sign", ["?", "!", ";", "?!", "!!!"])
def test_a_narrow_no_break_space_stands_before_a_high_sign(sign: str) -> None:
    assert french(f"Vraiment {sign} Oui.") == f"Vraiment|{sign} Oui."


def test_a_no_break_space_stands_before_a_colon() -> None:
    assert french("Ceci : cela") == "Ceci~: cela"


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u202f", "  ", " \u00a0"])
def test_another_space_before_a_question_mark_becomes_the_narrow_one(space: str) -> None:
    assert french(f"Vraiment{space}?") == "Vraiment|?"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Bravo! Merci?", "Bravo|! Merci|?"),
        ("(Vraiment?)", "(Vraiment|?)"),
        ("Attention: ceci", "Attention~: ceci"),
        ("ceci; cela", "ceci|; cela"),
        ("(la loi)!", "(la loi)|!"),
        ("Ligne une:\nligne deux", "Ligne une~:\nligne deux"),
        ("Plus de 25 %!", "Plus de 25~%|!"),
        ("En 2025: tout", "En 2025~: tout"),
        ("Quoi...?", "Quoi…|?"),
    ],
)
def test_a_missing_space_is_added_where_a_word_ends(typed: str, shown: str) -> None:
    assert french(typed) == shown


@pytest.mark.parametrize(
    "text",
    [
        "à 10:30",
        "3:2",
        "std::vector",
        "foo::",
        "(?)",
        "[!]",
        "a?b=c",
        "mot:-)",
        "Merci :-)",
        "Merci ;)",
        "Merci :D",
        "Bravo :tada: à tous",
        "AT&amp; T",
        "Note:suite",
        "a != b",
        "tapez ::",
        "!",
        "?",
        ":",
        "",
    ],
)
def test_a_sign_that_is_no_punctuation_stays_as_it_is(text: str) -> None:
    assert typeset(text, language="fr") == text


@pytest.mark.parametrize("text", ["« mot »", "«mot»", "«\u202fmot\u202f»", "«\u00a0mot »"])
def test_guillemets_have_a_no_break_space_inside(text: str) -> None:
    assert french(text) == "«~mot~»"


def test_an_exclamation_inside_guillemets_keeps_both_spaces() -> None:
    assert french("« Oui ! »") == "«~Oui|!~»"


def test_guillemets_around_nothing_stay() -> None:
    assert french("«» « »") == "«» «~»"


def test_straight_double_quotes_stay() -> None:
    assert french('Il dit "oui".') == 'Il dit "oui".'


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("l'été aujourd'hui", "l’été aujourd’hui"),
        ("l'« idée »", "l’«~idée~»"),
        ("d'1 million", "d’1~million"),
        ("rock'n'roll", "rock’n’roll"),
        ("'entre apostrophes'", "'entre apostrophes'"),
        ("5'10", "5'10"),
    ],
)
def test_an_apostrophe_is_curly_after_a_letter_only(typed: str, shown: str) -> None:
    assert french(typed) == shown


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("Attends... ", "Attends… "), ("[...]", "[…]"), ("....", "...."), ("..", "..")],
)
def test_three_dots_are_an_ellipsis(typed: str, shown: str) -> None:
    assert french(typed) == shown


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("10 €", "10~€"),
        ("3 000 €", "3|000~€"),
        ("25 %", "25~%"),
        ("5 °C", "5~°C"),
        ("80 km/h", "80~km/h"),
        ("10 kg", "10~kg"),
        ("2 millions", "2~millions"),
        ("n° 42", "n°~42"),
        ("N° 87", "N°~87"),
        ("p. 12", "p.~12"),
        ("art. 5", "art.~5"),
        ("§ 3", "§~3"),
        ("M. Dupont", "M.~Dupont"),
        ("Mme Martin", "Mme~Martin"),
        ("Me Élie", "Me~Élie"),
        ("XXIe siècle", "XXIe~siècle"),
        ("Ier siècle", "Ier~siècle"),
        ("11e arrondissement", "11e~arrondissement"),
        ("1er mars", "1er~mars"),
        ("7 mars", "7~mars"),
        ("9 h", "9~h"),
        ("13 h 30", "13~h~30"),
    ],
)
def test_a_line_does_not_break_between_a_number_and_its_word(typed: str, shown: str) -> None:
    assert french(f"Voici {typed}, donc.") == f"Voici {shown}, donc."


@pytest.mark.parametrize(
    "text",
    [
        "Me voilà",
        "10 motifs",
        "10 hommes",
        "7 marseillais",
        "Comme Paris",
        "le M. de",
        "cap. 12",
        "top. 12",
        "XXIe chose",
    ],
)
def test_words_that_only_begin_alike_stay_apart(text: str) -> None:
    assert typeset(text, language="fr") == text


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("12 000", "12|000"), ("1 234 567,89", "1|234|567,89"), ("12\u00a0000", "12|000")],
)
def test_thousands_hold_together(typed: str, shown: str) -> None:
    assert french(typed) == shown


@pytest.mark.parametrize(
    "text",
    [
        "06 12 34 56 78",
        "0 800 123 456",
        "0800 123 456",
        "+33 612 345 678",
        "552 100 554 00013",
        "en 2024 300 personnes",
        "3,141 592",
        "12000",
    ],
)
def test_other_digits_stay_as_they_are(text: str) -> None:
    assert typeset(text, language="fr") == text


@pytest.mark.parametrize(
    "address",
    [
        "https://exemple.fr/l'été...?a=1",
        "http://exemple.fr:8000/a;b!",
        "www.exemple.fr/qu'est-ce",
        "exemple.fr/d'abord?x=l'un",
        "l.o'brien@exemple.fr",
        "mailto:l'un@exemple.fr",
        "ftp://exemple.fr/l'été",
    ],
)
def test_an_address_stays_as_it_is(address: str) -> None:
    assert typeset(f"Voir {address} ici", language="fr") == f"Voir {address} ici"


def test_punctuation_after_an_address_has_its_space() -> None:
    assert french("Connaissez-vous exemple.fr ? Et a@b.fr!") == (
        "Connaissez-vous exemple.fr|? Et a@b.fr|!"
    )


def test_guillemets_around_an_address_have_their_spaces() -> None:
    assert french("«https://exemple.fr»") == "«~https://exemple.fr~»"


@pytest.mark.parametrize("text", ["✦ En bref ✦", "📅 Agenda", "👩🏽‍💻 ici", "a - b — c – d"])
def test_emoji_stars_and_dashes_stay(text: str) -> None:
    assert typeset(text, language="fr") == text


@pytest.mark.parametrize("text", ["\ud800 ?", "\x00!", "a\x1f?", "\u200d : "])
def test_surrogates_and_control_characters_do_no_harm(text: str) -> None:
    assert typeset(typeset(text, language="fr"), language="fr") == typeset(text, language="fr")


@pytest.mark.parametrize("language", ["fr", "FR", "fr-FR", "fr_CA"])
def test_every_kind_of_french_is_french(language: str) -> None:
    assert typeset("Oui ?", language=language) == "Oui\u202f?"


def test_english_gets_apostrophes_and_ellipses_only() -> None:
    assert typeset("Don't... «x» : 10 % ?", language="en") == "Don’t… «x» : 10 % ?"


# Text made of what the rules look at, so that rules meet each other often.
_SIGNS = list(" \u00a0\u202f\u2009.!?;:«»'’…%€°0123abhkmsIXe/@&#-_,()[]\"\n“”é")
_WORDS = ["https://a.fr", "www.a.fr", "a@b.fr", "a.fr", "...", "n°", "12", "000", "1er", "mars"]
_MORE = ["13", "h", "l'", ":tada:", "&nbsp;", ";)", "XXe", "siècle", "M.", "Dupont", " ", " ", "?"]
# The two letters that typography itself uses as stand-ins.
_TRAPS = ["\ua66e", "\ua6b0"]
texts = (
    st.text(st.sampled_from(_SIGNS + _TRAPS), max_size=30)
    | st.lists(st.sampled_from(_WORDS + _MORE + _TRAPS), max_size=12).map("".join)
    | st.text()
)
languages = st.sampled_from(["fr", "en"])


def _immutable(text: str) -> str:
    return re.sub(r"[\s'’.…]", "", text)


@given(texts, languages)
@example("0:»", "fr")
@example("...12www.a.frhttp://a.fr...", "fr")
@example(" !exemple.fr...", "fr")
@example("« « » »", "fr")
def test_typesetting_twice_is_typesetting_once(text: str, language: str) -> None:
    once = typeset(text, language=language)
    assert typeset(once, language=language) == once


@given(texts, languages)
def test_only_white_space_apostrophes_and_dots_ever_change(text: str, language: str) -> None:
    assert _immutable(typeset(text, language=language)) == _immutable(text)


@given(texts)
def test_no_line_break_is_added_or_lost(text: str) -> None:
    assert typeset(text, language="fr").count("\n") == text.count("\n")


@given(st.lists(texts | st.none()))
def test_a_sentence_in_pieces_keeps_its_pieces(pieces: list[str | None]) -> None:
    shown = typeset_run(pieces, language="fr")
    assert [p if p is None else _immutable(p) for p in shown] == [
        p if p is None else _immutable(p) for p in pieces
    ]


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["«", "Le Monde", "»"], ["«\xa0", "Le Monde", "\xa0»"]),
        (["gras", "?"], ["gras", "\u202f?"]),
        (["gras", " ?"], ["gras", "\u202f?"]),
        (["Note:", " suite"], ["Note\xa0:", " suite"]),
        (["mot ", ":", " suite"], ["mot ", ":", " suite"]),
        (["l'", "été"], ["l’", "été"]),
        (["tapez ", None, "!"], ["tapez ", None, "\u202f!"]),
        (["", "gras", "", " !", ""], ["", "gras", "", "\u202f!", ""]),
        ([], []),
    ],
)
def test_a_rule_sees_across_the_seams_of_mark_up(
    pieces: list[str | None], shown: list[str | None]
) -> None:
    assert typeset_run(pieces, language="fr") == shown


def test_pieces_that_hold_the_seam_itself_are_typeset_one_by_one() -> None:
    assert typeset_run(["\ua6b0 ?", None, "a"], language="fr") == ["\ua6b0\u202f?", None, "a"]


_PROSE = (
    "Bonjour à toutes et tous, voici l'essentiel : des cafés partout en France, « une idée » "
    "simple... et gratuite ! Rendez-vous le 7 mars à 13 h 30, pour 10 € environ, sur exemple.fr. "
)


def test_a_long_letter_takes_a_moment() -> None:
    started = time.perf_counter()
    typeset(_PROSE * 100, language="fr")
    assert time.perf_counter() - started < 0.1  # 2 ms when nothing else runs


_UNITS = [" ", "a", "!", ".", "a.", "a@", "a.b@", ":a", ":a:", "&a", "://", "a://", "'", "www."]
_MORE_UNITS = ["-", "123 ", "1 ", "«", "« ", "»", " »", ": ", " :", "\xa0", "é", "a..", "\ua66e"]


@pytest.mark.parametrize("unit", _UNITS + _MORE_UNITS)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = (unit * 100_000)[:100_000]
    started = time.perf_counter()
    typeset(text, language="fr")
    assert time.perf_counter() - started < 1.0  # quadratic time would be minutes


def _oracle(text: str) -> str:
    return str(transform(text, locale="fr-FR", mode="text"))


@pytest.mark.parametrize(
    "sentence",
    [
        "Qui décide ? Personne ; pas même nous : c'est ainsi.",
        "« Le Monde » publie une enquête.",
        "«Le Monde» publie une enquête.",
        "Vraiment ?!",
        "Il a dit : « non ».",
        "Il a crié : « Oui ! »",
        "M. Dupont et Mme Martin arrivent.",
        "Attention: ceci est un test.",
        "Bravo! Merci! À bientôt?",
        "Attends... c'est tout...",
        "Lire https://exemple.fr/a?b=c : utile !",
        "Écrire à redaction@exemple.fr ; merci.",
        "Appelez le 06 12 34 56 78 à 10:30.",
        "✦ Des cafés partout en France ✦",
        "Un C++ ou un C# ? Les deux.",
        "Il fait 25 °C, il roule à 80 km/h.",
        "10 kg de pommes et 5 km de marche, 25 % de plus.",
        "Elle (la loi) ! existe, au ratio de 3:2.",
        "En 2024, 300 personnes sont venues.",
    ],
)
def test_polytypo_agrees(sentence: str) -> None:
    assert typeset(sentence, language="fr") == _oracle(sentence)


@pytest.mark.parametrize(
    ("sentence", "ours"),
    [
        # polytypo holds neither thousands, dates, hours, pages nor centuries together; we do.
        ("Le 7 mars", "Le 7\xa0mars"),
        ("12 000 €", "12\u202f000\xa0€"),
        ("À 13 h 30", "À 13\xa0h\xa030"),
        ("Voir p. 12", "Voir p.\xa012"),
        ("Au XXIe siècle", "Au XXIe\xa0siècle"),
        # It turns a hyphen between spaces into a dash; a hyphen may be one on purpose.
        ("La loi - enfin - passe", "La loi - enfin - passe"),
    ],
)
def test_we_differ_from_polytypo_only_as_decided(sentence: str, ours: str) -> None:
    assert (typeset(sentence, language="fr"), _oracle(sentence) != ours) == (ours, True)
