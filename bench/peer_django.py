"""A peer of bench/send.py: Django's SMTP backend, 500 messages a call, over one connection.

Run by the interpreter that ``make bench-peers`` made. Arguments: a port, how many messages, and a
JSON file with the letter.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import django  # type: ignore[import-not-found]
from django.conf import settings  # type: ignore[import-not-found]
from django.core.mail import (  # type: ignore[import-not-found]
    EmailMultiAlternatives,
    get_connection,
)

BATCH = 500


def make_message(letter: dict[str, Any], number: int) -> EmailMultiAlternatives:
    values = {
        "first_name": letter["names"][number % len(letter["names"])],
        "preferences_url": f"https://lettre.example/preferences/{number:032x}",
        "unsubscribe_url": f"https://lettre.example/desabonnement/{number:032x}",
    }
    message = EmailMultiAlternatives(
        subject=letter["subject"],
        body=letter["text"].format(**values),
        from_email="La rédaction <redaction@lettre.example>",
        to=[f"{values['first_name']} Personne {number} <personne.{number}@exemple.example>"],
        headers={
            "List-Unsubscribe": f"<{values['unsubscribe_url']}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    message.attach_alternative(letter["html"].format(**values), "text/html")
    return message


def main() -> None:
    port, count, file = sys.argv[1:]
    letter = json.loads(Path(file).read_text())
    settings.configure(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=int(port),
    )
    django.setup()
    start = time.perf_counter()
    connection = get_connection()
    connection.open()
    for first in range(0, int(count), BATCH):
        numbers = range(first, min(first + BATCH, int(count)))
        connection.send_messages([make_message(letter, number) for number in numbers])
    connection.close()
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
