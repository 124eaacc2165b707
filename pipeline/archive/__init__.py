"""The web archive: an index by year, a page a letter, a feed, calendars; plain files, no server.

Core: ``past``, ``pages``, ``feed``, ``calendar``, ``sitemap``, ``manifest``, ``fingerprint``.
Edge: ``folder`` (the disk) and ``build``. Subscribers are unknown here.
"""
