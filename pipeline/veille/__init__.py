"""The curator's room: feeds in, kept entries out, as items of a letter's ``veille`` block.

Core: ``watchlists links plain item repair feeds jsonfeed decide page keep addresses``. Edge:
``fetch shelf pull desk``; ``desk`` is the door that commands and pages knock at.
"""
