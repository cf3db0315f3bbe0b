"""How fast Cenas is drawn and described, on one core.

    python benchmarks/cenas.py

"First" draws each picture of the test split with nothing kept from before, as a first evaluation does; "again" draws
them with backgrounds and objects at hand, as training does from its second thousand pictures on.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from luneta.data.cenas import open_cenas
from luneta.data.cenas.backgrounds import background
from luneta.data.cenas.captions import LANGUAGES, captions
from luneta.data.cenas.draw import draw, sprite
from luneta.data.cenas.pen import STYLES
from luneta.data.cenas.world import scenes


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    test = scenes("test")
    for style in STYLES:
        sprite.cache_clear()
        background.cache_clear()
        first, again = (seconds(lambda style=style: [draw(scene, style) for scene in test]) for _ in range(2))
        print(f"draw {style:7s} first {len(test) / first:6.0f} pictures/s   again {len(test) / again:6.0f} pictures/s")
    for language in LANGUAGES:
        spent = seconds(lambda language=language: [captions(scene, language) for scene in test])
        print(f"captions {language:6s} {5 * len(test) / spent:8.0f} captions/s")
    for split in ("test", "train"):
        print(f"open cenas:{split:6s} {seconds(lambda split=split: open_cenas(split=split)):.1f} s")


if __name__ == "__main__":
    main()
