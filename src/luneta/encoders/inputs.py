"""What every encoder asks of its callers, whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable

from luneta.errors import ConfigError


def list_of_texts(texts: Iterable[str]) -> list[str]:
    """The texts, after making sure that they are several strings and not one.

    Raises:
        ConfigError: one string, whose letters would be taken for texts; nothing at all; something that is not a string.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise ConfigError(
            f"texts is {'one string' if isinstance(texts, str) else f'a {type(texts).__name__}'}, expected a list of "
            "strings: a single text is [text], and several captions are several texts"
        )
    found = list(texts)
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise ConfigError(
                f"text {index} is a {type(text).__name__}, expected a string; several captions are several texts"
            )
    return found
