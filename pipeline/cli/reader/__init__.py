"""``veille triage``: a full-screen reader for the keyboard, where entries are kept or discarded.

``command`` is all that loads with the command; Textual loads when the reader opens. ``app`` holds
the keys' acts, ``deeds`` writes what was done, ``desk`` is the door to the room below. What an act
means is decided in ``pipeline.veille``.
"""
