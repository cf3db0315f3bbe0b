"""Names of splits, and the rule by which one is chosen."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from luneta.errors import ConfigError, did_you_mean

ALL = "all"
"""Asks for every split together."""

_ALIASES = (
    ("train", "training", "treino"),
    ("validation", "val", "valid", "dev", "validacao", "validação"),
    ("test", "testing", "teste"),
)
_REST = "restval"  # Karpathy's name for what of COCO's validation pictures is trained on
NAMES = frozenset(name for group in _ALIASES for name in group)

logger = logging.getLogger("luneta")


def find_split(asked: str, available: Iterable[str]) -> str | None:
    """The available split that `asked` names, by its own name or a usual other one.

    >>> find_split("validation", ["train", "val"])
    'val'
    """
    options = list(available)
    lowered = {name.lower(): name for name in options}
    if asked in options or asked.lower() in lowered:
        return asked if asked in options else lowered[asked.lower()]
    others = next((group for group in _ALIASES if asked.lower() in group), ())
    matches = [lowered[name] for name in others if name in lowered]
    return matches[0] if len(matches) == 1 else None


def choose_splits(asked: str | None, available: Iterable[str], where: str) -> list[str]:
    """The splits to read: the one asked for, the only one there is, or all of them when asked for "all".

    Karpathy's "train" comes with its "restval".

    Several splits and no choice is an error: a number measured on training and test data together looks like any
    other number.

    Raises:
        ConfigError: the split does not exist, or there are several and none was chosen.
    """
    options = list(dict.fromkeys(available))
    if asked == ALL or (asked is None and len(options) == 1):
        return options
    if asked is None:
        raise ConfigError(
            f'{where} has splits: {", ".join(options)}. Choose one with split=, or read all with split="{ALL}".'
        )
    found = find_split(asked, options)
    if found is None:
        raise ConfigError(f"{where} has no split {asked!r}. {did_you_mean(asked, options)}")
    if found.lower() == "train" and _REST in options:
        logger.info("%s: %s is read with %s, as the papers that use this split train", where, found, _REST)
        return [found, _REST]
    return [found]
