"""The code that reads and edits letters (``issues/`` at the top holds the letters themselves).

Core but for ``folder``, which reads a letter's folder from disk.
"""
