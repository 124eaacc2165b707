"""The code that reads blocks (``blocks/`` at the top holds the blocks themselves).

Core but for ``registry``, which reads the folders from disk.
"""
