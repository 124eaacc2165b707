import pytest

from pipeline.errors import SettingsError
from pipeline.settings import DARK, LIGHT, Settings, parse_settings, setting_names

SENDER = '[senders.redaction]\nname = "R"\nemail = "r@a.example"\n'


def read(toml: str, **environ: str) -> Settings:
    return parse_settings(toml, path="infolettre.toml", environ=environ)


def mistakes_of(toml: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(toml, **environ)
    return caught.value.say("en").split("\n")


def test_an_empty_file_has_every_default() -> None:
    settings = read("")
    assert settings == Settings()
    assert (settings.delivery.provider, settings.outbox.path) == ("outbox", "var/outbox")


def test_a_palette_may_name_a_few_colours() -> None:
    theme = read('[theme.dark]\naccent = "#ffffff"\n').theme
    assert theme.dark.accent == "#ffffff"
    assert theme.dark.ink == DARK.ink
    assert theme.light == LIGHT


def test_every_mistake_is_told_with_its_line() -> None:
    toml = (
        'langage = "fr"\n'
        "[site]\n"
        "name = 12\n"
        "[smtp]\n"
        'port = "587"\n'
        'security = "ssl"\n'
        "[theme.light]\n"
        'ink = "black"\n'
        "[senders.redaction]\n"
        'name = "R"\n'
    )
    assert mistakes_of(toml) == [
        "infolettre.toml:1:1: unknown setting “langage”; known here: language",
        "infolettre.toml:3:1: “site.name” should be a text, found 12",
        "infolettre.toml:5:1: “smtp.port” should be a whole number, found '587'",
        "infolettre.toml:6:1: “smtp.security” should be starttls | tls | none, found 'ssl'",
        "infolettre.toml:8:1: “black” is not a colour: write it as #1d2433",
        "infolettre.toml:9:1: the setting “email” is missing",
    ]


def test_what_is_no_toml_is_told_at_its_place() -> None:
    assert mistakes_of('[site\nname = "a"\n')[0].startswith("infolettre.toml:1:6: this is not TOML")


def test_the_environment_goes_over_the_file() -> None:
    settings = read(
        "[smtp]\nport = 25\n" + SENDER,
        INFOLETTRE_SMTP__PORT="2525",
        INFOLETTRE_SMTP__TIMEOUT="1.5",
        INFOLETTRE_SITE__NAME="Le Cercle",
        INFOLETTRE_VEILLE__ALLOW_PRIVATE="10.0.0.0/8, 127.0.0.0/8",
        INFOLETTRE_SENDERS__REDACTION__EMAIL="autre@a.example",
    )
    assert (settings.smtp.port, settings.smtp.timeout) == (2525, 1.5)
    assert settings.site.name == "Le Cercle"
    assert settings.veille.allow_private == ("10.0.0.0/8", "127.0.0.0/8")
    assert settings.senders["redaction"].email == "autre@a.example"


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    assert mistakes_of("", INFOLETTRE_SMTP__PORT="beaucoup") == [
        "INFOLETTRE_SMTP__PORT: “smtp.port” should be a whole number, found 'beaucoup'"
    ]


def test_secrets_are_no_settings() -> None:
    assert read("", INFOLETTRE_SMTP_PASSWORD="x", INFOLETTRE_SECRET="y") == Settings()


@pytest.mark.parametrize("toml", ["smtp = 12\n", "[senders]\nredaction = 1\n", "senders = []\n"])
def test_a_section_that_is_no_table_is_told(toml: str) -> None:
    assert "expected a table of settings" in mistakes_of(toml)[0]


def test_every_setting_has_its_name() -> None:
    names = list(setting_names())
    assert "smtp.port" in names
    assert "senders.<name>.email" in names
    assert "theme.dark.ink" in names
    assert len(names) == len(set(names))
