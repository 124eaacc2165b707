"""``make torture``: every scene at full size, and the table of what it did to the recipients."""

import argparse
import sys
import time
from random import Random

from tests.torture.scenes import FULL, SCENES, SMALL

HEAD = ("scenario", "recipients", "kills", "lost", "twice", "uncertain", "seconds")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="600 recipients and 6 kills")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments")
    parser.add_argument("only", nargs="*", help="names of scenes")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}", flush=True)
    broken: list[str] = []
    for scene in SCENES:
        if asked.only and scene.__name__ not in asked.only:
            continue
        ended = scene(SMALL if asked.small else FULL, Random(asked.seed))
        name = (scene.__doc__ or scene.__name__).rstrip(".")
        facts = (ended.recipients, ended.kills, ended.lost, ended.twice, ended.uncertain)
        numbers = (f"{fact:,}" for fact in facts)
        print(f"| {name} | {' | '.join(numbers)} | {ended.seconds:.0f} |", flush=True)
        broken += [f"{scene.__name__}: {one}" for one in ended.broken]
    for line in broken:
        print(f"BROKEN {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
