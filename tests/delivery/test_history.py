"""A person can see and take away what they were sent, and what came back of it (T16)."""

from sqlalchemy import Engine, insert

from pipeline.delivery.events import Event, Kind
from pipeline.delivery.feedback import record_events
from pipeline.delivery.history import letters_of
from pipeline.store.campaigns import delivery
from pipeline.store.engine import reading, writing
from tests.delivery.mailings import START, a_campaign, add_people


def test_each_letter_is_told_with_its_events_and_nobody_elses(engine: Engine) -> None:
    add_people(engine, 2)
    found = [a_campaign(engine, slug=slug) for slug in ("lampe", "ondes")]
    with writing(engine) as connection:
        for number, campaign in enumerate(found, 1):
            row = {"campaign_id": campaign.id, "batch": 1, "variant": 0, "attempts": 1}
            values = {**row, "subscriber_id": number, "state": "accepted", "at": START}
            connection.execute(insert(delivery).values(values))
    event = Event(
        kind=Kind.DELIVERED,
        at=START,
        id="e1",
        recipient=f"public-{1:014}",
        campaign=found[0].name,
    )
    record_events(engine, [event], now=START, soft_limit=3)

    with reading(engine) as connection:
        [letter] = letters_of(connection, 1)
        [other] = letters_of(connection, 2)
        assert letters_of(connection, 3) == []
    told = {"kind": "delivered", "at": "2026-11-27T08:00:00+00:00"}
    assert (letter["letter"], letter["state"], letter["events"]) == ("lampe", "delivered", [told])
    assert (other["letter"], other["state"], other["events"]) == ("ondes", "accepted", [])
