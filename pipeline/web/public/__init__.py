"""The public pages: one asks for the letter, confirms, leaves, and sees what is known of one.

``desk`` is what they work with, ``routes`` answers, ``forms`` reads what was sent, ``pages`` and
``mails`` make what people read. Who is written to is decided in :mod:`pipeline.audience`.
"""
