"""The live preview: a page that shows one letter as its readers will, and follows what is saved.

``desk`` holds the state, ``views`` makes the documents, ``panel`` the pieces of the page, ``app``
routes, ``watch`` and ``serve`` run it all. Nothing here reads a letter: the caller's Workshop does.
"""
