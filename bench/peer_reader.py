"""The PyPI library reader at work, in the peers' own venv: all feeds once, then once more.

Run by bench/veille.py as ``python peer_reader.py FOLDER``, which holds the addresses in ``urls``;
prints the seconds.
"""

import json
import os
import sys
import time
from pathlib import Path

from reader import make_reader  # type: ignore[import-not-found]

folder = sys.argv[1]
os.environ["NO_PROXY"] = "*"
found = make_reader(f"{folder}/reader.db")
for address in Path(folder, "urls").read_text(encoding="utf-8").splitlines():
    found.add_feed(address)
seconds = []
for _ in range(2):
    start = time.perf_counter()
    found.update_feeds(workers=10, scheduled=False)
    seconds.append(time.perf_counter() - start)
counts = found.get_entry_counts()
print(json.dumps({"cold": seconds[0], "warm": seconds[1], "entries": counts.total}))
