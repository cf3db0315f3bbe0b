"""Messages of the library name the arguments of its functions; whoever typed a command reads its options instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

_VALUE = r"'[^']*'|\"[^\"]*\"|-?\d[\w.]*\d|-?\d|True|False|None|[A-Z]+\b"


@dataclass(frozen=True, slots=True)
class Spelling:
    """How an argument is given on the command line.

    Attributes:
        option: as "--lock"; where it is a flag, what switches it on.
        off: what switches it off, as "--no-near"; None where nothing does.
    """

    option: str
    off: str | None = None

    def given(self, value: str) -> str:
        """An argument with its value, as Python writes it."""
        if value == "True":
            return self.option
        if value in ("False", "None"):
            return self.off or f"no {self.option}"
        return f"{self.option} {value.strip(chr(39) + chr(34))}"


Spellings = Mapping[str, Spelling]
_spellings: ContextVar[Spellings] = ContextVar("luneta_cli_spellings", default={})  # noqa: B039 - never changed


def learn(command: Any) -> None:
    """From here on `spelt` knows the options of a command and of all below it."""
    _spellings.set(dict(_options(command)))


def _options(command: Any) -> Iterator[tuple[str, Spelling]]:
    for below in getattr(command, "commands", {}).values():
        yield from _options(below)
    for parameter in command.params:
        if long := [name for name in parameter.opts if name.startswith("--")]:
            off = [name for name in parameter.secondary_opts if name.startswith("--")]
            yield str(parameter.name), Spelling(long[0], off[0] if off else None)


def spelt(message: str) -> str:
    """A message with arguments of functions written as the options that set them.

    Replaced are `name=value`, `name=` without a value, names of several words, and a name of one word where it can be
    nothing else: at the start, before "is ..., expected", and after "unknown".
    """
    known = _spellings.get()
    if not known:
        return message
    names = "|".join(sorted(map(re.escape, known), key=len, reverse=True))
    free = r"(?<![\w./\\?&'\"-])"  # no part of a path or an address, and nobody's quoted word

    def option(found: re.Match[str]) -> str:
        return found[0].replace(found["name"], known[found["name"]].option)

    said = re.sub(
        rf"{free}(?P<name>{names})=(?P<value>{_VALUE})", lambda f: known[f["name"]].given(f["value"]), message
    )
    said = re.sub(rf"{free}(?P<name>{names})=(?![\w=%'\"-])", lambda f: known[f["name"]].option, said)
    said = re.sub(rf"{free}(?P<name>{names})(?= (?:is .*, expected|é .*; esperava))", option, said, count=1)
    said = re.sub(rf"(?:unknown|desconhecid[oa]) (?P<name>{names})(?= ')", option, said)
    said = re.sub(rf"{free}(?P<name>{_several_words(known)})(?![\w/\\=]|\.\w)", option, said)
    return re.sub(r"(--[\w-]+) (?:(?:or|ou) \1\b|\(\1\))", r"\1", said)  # where a message has both


def _several_words(known: Spellings) -> str:
    """The names that no sentence has by chance."""
    return "|".join(sorted((name for name in known if "_" in name), key=len, reverse=True)) or "(?!)"
