"""The lists of other senders: recognised by their headings, each row in our own words."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audience.cells import (
    clean_segment,
    guard_cell,
    read_language,
    read_moment,
    unguard_cell,
)
from pipeline.audience.states import State
from tests.audience.lists import LISTS, arrivals


@pytest.mark.parametrize(
    ("file", "name", "states"),
    [
        ("mailchimp-abonnes.csv", "mailchimp", ["active", "active"]),
        ("mailchimp-desabonnes.csv", "mailchimp", ["unsubscribed", "complained"]),
        ("mailchimp-nettoyes.csv", "mailchimp", ["bounced"]),
        ("brevo.csv", "brevo", ["active", "unsubscribed"]),
        ("substack.csv", "substack", ["active", "active", "unsubscribed"]),
        ("listmonk.csv", "listmonk", ["active", "unsubscribed", "unsubscribed"]),
    ],
)
def test_an_export_is_recognised_and_its_people_keep_their_state(
    file: str, name: str, states: list[str]
) -> None:
    encoding = "cp1252" if file == "brevo.csv" else "utf-8"
    found, people, mistakes = arrivals((LISTS / file).read_text(encoding))
    assert (found, mistakes) == (name, [])
    assert [one.state.value for one in people] == states


def test_mailchimp_gives_names_tags_dates_and_leaves_the_machine_behind() -> None:
    _, [maelle, octave], _ = arrivals((LISTS / "mailchimp-abonnes.csv").read_text())
    assert (maelle.first_name, maelle.last_name) == ("Maëlle", "L'Hénaff-Quentric")
    assert maelle.segments == {"Bénévoles", "Conseil municipal"}
    assert maelle.consent_at == datetime(2021, 3, 5, 8, 30, tzinfo=UTC)
    assert maelle.proof == {"confirmed_at": "2021-03-05T08:34:12+00:00"}
    assert set(maelle.attributes) == {"address", "ville", "notes"}
    assert "192.0.2.7" not in repr(maelle)
    assert (octave.address, octave.line) == ("Octave@courrier-lent.example", 4)
    assert octave.key == "octave@courrier-lent.example"


def test_mailchimp_tells_when_a_person_left() -> None:
    _, [left, _], _ = arrivals((LISTS / "mailchimp-desabonnes.csv").read_text())
    assert left.state_at == datetime(2023, 6, 1, 7, tzinfo=UTC)


def test_brevo_writes_the_day_first() -> None:
    _, [serena, eloi], _ = arrivals((LISTS / "brevo.csv").read_text("cp1252"))
    assert serena.consent_at == datetime(2021, 11, 24, 10, 22, 33, tzinfo=UTC)
    assert serena.proof == {"double_opt_in": True}
    assert serena.attributes == {"ville": "Le Mans"}
    assert (eloi.first_name, eloi.last_name) == ("Éloi", "Cœurderoy")


def test_substack_writes_to_those_who_do_not_pay_as_well() -> None:
    _, [reader, payer, _], _ = arrivals((LISTS / "substack.csv").read_text())
    assert reader.consent_at == datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert (reader.state, payer.state) == (State.ACTIVE, State.ACTIVE)
    assert payer.attributes == {"plan": "yearly"}


def test_listmonk_gives_whole_names_and_free_attributes() -> None:
    _, [ines, *_], _ = arrivals((LISTS / "listmonk.csv").read_text())
    assert (ines.first_name, ines.last_name) == ("Inès", "de la Tour")
    assert ines.attributes == {"ville": "Lille", "enfants": "2", "cafe": '{"sucre": true}'}
    assert ines.consent_at == datetime(2023, 5, 1, 8, tzinfo=UTC)


def test_a_plain_list_may_be_in_french_and_carry_columns_of_its_own() -> None:
    name, [zoe], _ = arrivals(
        "Adresse e-mail;Prénom;Langue;Segments;Code postal;État;Inscrit le\n"
        "zoe@café.example;Zoé;français;a, b;80000;abonné;05/03/2021\n"
    )
    assert name == "csv"
    assert zoe.address == "zoe@xn--caf-dma.example"
    assert (zoe.first_name, zoe.language, sorted(zoe.segments)) == ("Zoé", "fr", ["a", "b"])
    assert zoe.attributes == {"code_postal": "80000"}
    assert zoe.consent_at == datetime(2021, 3, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nom,prénom\nx,y\n", "no column holds addresses"),
        ("", "no column holds addresses"),
        ("email,courriel\na@b.example,\n", "says the same"),
        ("email,état\na@b.example,peut-être\n", "“peut-être” is not a state"),
        ("email,added_time,blocklisted\na@b.example,,mmh\n", "neither yes nor no"),
        ("email,nom\npas une adresse,x\n", "pas une adresse"),
        ("email,nom\na@b.example," + "x" * 201 + "\n", "more than 200"),
        ("uuid,email,name,attributes,status\n1,a@b.example,,[1],enabled\n", "JSON object"),
        ('uuid,email,name,attributes,status\n1,a@b.example,,"{""a"": ""\\u0000""}",enabled\n',
         "control character"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_told(text: str, said: str) -> None:
    _, people, [mistake] = arrivals(text)
    assert people == []
    assert said in mistake.what("en")


def test_a_list_can_be_declared_to_be_of_people_who_left() -> None:
    _, people, _ = arrivals("email\na@b.example\n", assume=State.UNSUBSCRIBED)
    assert [one.state for one in people] == [State.UNSUBSCRIBED]


def test_a_list_declared_active_does_not_bring_back_those_who_left_in_it() -> None:
    _, people, _ = arrivals("email,status\na@b.example,unsubscribed\n", assume=State.ACTIVE)
    assert [one.state for one in people] == [State.UNSUBSCRIBED]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-03-05", "2021-03-05T00:00:00+00:00"),
        ("2021-03-05T08:30:00Z", "2021-03-05T08:30:00+00:00"),
        ("2021-03-05 08:30:00.123456 -0530 XYZ", "2021-03-05T14:00:00+00:00"),
        ("5/3/2021 08:30", "2021-03-05T08:30:00+00:00"),
        ("31/02/2021", None),
        ("0001-01-01", None),
        ("hier", None),
        ("2021-03-05 08:30:00 +9999", None),
    ],
)
def test_a_date_is_read_in_the_spellings_of_exports(text: str, moment: str | None) -> None:
    found = read_moment(text)
    assert (found.isoformat() if found else None) == moment


def test_a_date_that_cannot_be_read_stays_in_the_proof() -> None:
    _, [one], _ = arrivals("email,created_at\na@b.example,au printemps\n")
    assert (one.consent_at, one.proof) == (None, {"date_as_given": "au printemps"})


def test_a_language_that_is_none_stays_as_an_attribute() -> None:
    _, [one], _ = arrivals("email,langue\na@b.example,celle de ma mère\n")
    assert (one.language, one.attributes) == ("", {"language": "celle de ma mère"})
    assert [read_language(text) for text in ("FR", "fr_ca", "English")] == ["fr", "fr-CA", "en"]


@given(st.text(max_size=20))
def test_no_cell_is_a_formula_and_each_comes_back(text: str) -> None:
    guarded = guard_cell(text)
    assert not guarded.startswith(("=", "+", "-", "@", "\t"))
    assert unguard_cell(guarded) == text


@given(st.text(max_size=20))
def test_a_segment_never_holds_what_parts_segments(text: str) -> None:
    assert not set(clean_segment(text)) & set('|,;"\n')
