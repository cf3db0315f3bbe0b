"""Errors in Portuguese: those that are written down are raised somewhere, word for word; others stay in English."""

from __future__ import annotations

import ast
import inspect
import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from luneta import errors
from luneta.error_messages import KINDS, PARTS, PORTUGUESE, error_in, framed
from luneta.errors import ConfigError, LunetaError, did_you_mean
from luneta.filters import parse_filter
from luneta.rerank import reproduction
from luneta.rerank.messages import REPRODUCTION
from luneta.rerank.published import BENCHMARKS, REPORTED
from luneta.rerank.reproduction import Line, Reproduction, nothing_run
from luneta.rerank.tables import reproduction_grid
from luneta.results import Metric
from luneta.types import SkippedRow
from luneta.wording import patterns_of
from worlds import words_of

SRC = Path(__file__).parents[2] / "src" / "luneta"
OF_THE_PARSER = ("No such option", "No such command", "Missing ", "Got unexpected", "Option ", "Invalid value")


def templates(node: ast.expr, named: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    """What an expression can say, "0" for everything that is filled in but text that has a name in the module."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        said = [list(templates(value, named)) for value in node.values]
        yield from map("".join, _product(said))
    elif isinstance(node, ast.FormattedValue):
        yield "0%" if node.format_spec and ast.unparse(node.format_spec).endswith("%'") else "0"
        yield from templates(node.value, named)
    elif isinstance(node, ast.BinOp):
        yield from map("".join, _product([list(templates(node.left, named)), list(templates(node.right, named))]))
    elif isinstance(node, ast.IfExp):
        yield from templates(node.body, named)
        yield from templates(node.orelse, named)
    elif isinstance(node, ast.Name):
        for value in named.get(node.id, []):
            if isinstance(value, ast.Constant | ast.JoinedStr | ast.IfExp):
                yield from templates(value, {})
            elif ast.unparse(value).startswith("''.join("):  # of nothing, it may be
                yield ""


def _product(parts: list[list[str]]) -> Iterator[list[str]]:
    if not parts:
        yield []
        return
    for first in dict.fromkeys(parts[0] or ["0"]):
        for rest in _product(parts[1:]):
            yield [first, *rest]


def raised() -> set[str]:
    """Every message of an error of ours."""
    found: set[str] = set()
    for path in SRC.rglob("*.py"):
        module = ast.parse(path.read_text(encoding="utf-8"))
        named: dict[str, list[ast.expr]] = {}
        for node in ast.walk(module):
            if isinstance(node, ast.Assign):
                named.setdefault(ast.unparse(node.targets[0]), []).append(node.value)
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error") and node.args:
                found.update(templates(node.args[0], named))
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("refused["):
                found.update(templates(node.value, named))
    return found


def test_every_error_that_is_translated_is_raised_somewhere() -> None:
    messages = raised()
    assert len(messages) > 200
    patterns = {english: pattern for english in PORTUGUESE for pattern, _ in patterns_of({english: ""})}
    unknown = [
        english
        for english, pattern in patterns.items()
        if not english.startswith(OF_THE_PARSER) and not any(map(pattern.fullmatch, messages))
    ]
    assert unknown == []


def test_both_languages_have_the_same_parameters() -> None:
    for english, portuguese in (PORTUGUESE | PARTS).items():
        ours, theirs = (
            {name for _, name, *_ in string.Formatter().parse(text) if name} for text in (english, portuguese)
        )
        assert theirs <= ours, english
        assert ours - theirs <= {"layouts"}, english
        assert english != portuguese


def test_every_kind_of_error_has_a_name() -> None:
    defined = {name for name, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, LunetaError)}
    assert set(KINDS) == defined

    class OfSomebody(LunetaError):
        pass

    assert framed(OfSomebody("what"), "pt-BR") == "Erro: what"
    assert framed(ConfigError("what"), "en") == "ConfigError: what"


@pytest.mark.parametrize(
    ("english", "portuguese"),
    [
        (f"no column 'a'. {did_you_mean('a', [])}", "não há a coluna 'a'. Não há nenhum."),
        (f"no column 'a'. {did_you_mean('aaab', ['aaac', 'aaad'])}",
         "não há a coluna 'a'. Você quis dizer aaad ou aaac?"),
        (f"no column 'a'. {did_you_mean('a', ['x', 'y'])}", "não há a coluna 'a'. Há: x, y."),
        ("x: 1,234 of 2,000 rows are bad (61.7%; the limit is 1.0%):\n  row 3, a.png: no such file\n"
         "Mend them, or accept more with max_bad_share=.",
         "x: 1.234 de 2.000 linhas são ruins (61,7 %; o limite é 1,0 %):\n  linha 3, a.png: arquivo inexistente\n"
         "Corrija-as, ou aceite mais com --max-bad-share."),
        ("a.csv cannot be read: Permission denied", "a.csv não pode ser lido: permissão negada"),
        ("a.csv cannot be read: what a library says", "a.csv não pode ser lido: what a library says"),
    ],
)  # fmt: skip
def test_parts_are_translated_too(english: str, portuguese: str) -> None:
    assert error_in(english, "pt-BR") == portuguese
    assert error_in(english, "en") == english


@pytest.mark.parametrize("english", ["something new", "no column 'a'. A hint that nobody has translated.", "", "{x} %"])
def test_what_is_not_known_stays_in_english_as_a_whole(english: str) -> None:
    assert error_in(english, "pt-BR") == english


def test_no_word_of_english_is_left_in_a_translation() -> None:
    for portuguese in PORTUGUESE.values():
        words = set(re.findall(r"[a-z]{2,}", re.sub(r"\{.*?\}|--[\w-]+|'.*?'", "", portuguese.lower())))
        assert (
            words & {"the", "of", "is", "not", "choose", "with", "and", "another", "folder", "file", "expected"}
            == set()
        )


FILTERS = (
    "style = ", "yeer = 1", "year < 'x'", "style = 'a", "year contains 'a'", "ok < true", "other = 1", "tags = 'a'",
    "style contains 'a'", "(year = 1", "year between 1", "year = style", "year & 1", "year in 1", "and", "year = null",
    "not " * 60, "year is 1", "style like 3", "a\0", "1a = 1", "", "year in (1", "year", "year = 1 2", "$", '"',
    "year = 9" + "9" * 80, "style = 1", "a" * 20_001,
)  # fmt: skip


@pytest.mark.parametrize("condition", FILTERS)
def test_what_is_wrong_with_a_filter_is_said_in_portuguese(condition: str) -> None:
    columns = {"style": ["a"], "year": [1], "ok": [True], "tags": [["a"]], "other": [b"x"]}
    with pytest.raises(ConfigError) as caught:
        parse_filter(condition).mask(pa.table(columns))
    english = str(caught.value)
    portuguese = error_in(english, "pt-BR")
    said, *place = portuguese.split("\n")
    assert said.startswith(("o filtro, no caractere ", "o filtro tem "))
    assert place == english.split("\n")[1:]
    words = set(re.findall(r"[a-z]{2,}", re.sub(r"'.*?'", "", said)))
    assert not words & {"the", "of", "expected", "holds", "write", "column", "value", "text", "with", "this", "here"}


def reproductions() -> Iterator[Reproduction]:
    """Everything that one can say: nothing run, all run, run on something else, with every note."""
    yield from (nothing_run(variant, "an-encoder") for variant in REPORTED)
    said = [value for name, value in vars(reproduction).items() if name.startswith("_NOTE")]
    notes = [*reproduction.NOTES, *(note.format(encoder="an-encoder") for note in said)]
    why = "10 pictures and 1,250 captions were measured, not 1,000 and 5,000"
    for unlike in ("", why, f"{why}; the encoder is mine, theirs google/theirs"):
        lines = [
            Line(benchmark.name, method, benchmark.metrics[0], Metric(0.5, 0.25, 0.75, 0.1), published, unlike=unlike)
            for benchmark in BENCHMARKS
            for method, published in (("baseline", 0.625), ("elip-c", 0.875))
        ]
        without = Line("coco", "elip-c", "recall@1", None, 0.5, "no weights", reproduction.CHECKPOINT)
        lost = [SkippedRow(number, f"{number}.jpg", "") for number in range(5)]
        results: Any = {"coco": {"baseline": SimpleNamespace(skipped=lost)}}
        yield Reproduction("elip-c", "an-encoder", [*lines, without], results, notes)


def test_a_reproduction_is_portuguese_all_over() -> None:
    foreign = {
        "the",
        "of",
        "is",
        "not",
        "and",
        "was",
        "run",
        "to",
        "published",
        "ours",
        "in",
        "then",
        "no",
        "yes",
        "be",
    }
    kept = {"no"}  # a word of Portuguese too
    english: list[str] = []
    for found in reproductions():
        before, after = reproduction_grid(found), reproduction_grid(found, "pt-BR")
        assert before == found.grid()
        cells = [
            [grid.title, *grid.header, *(c for row in grid.rows for c in row), *grid.notes] for grid in (before, after)
        ]
        english += cells[0]
        for text in cells[1]:
            assert words_of(text) & foreign <= kept, text
    rows = dict.fromkeys(row[3:] for found in reproductions() for row in reproduction_grid(found, "pt-BR").rows)
    assert ("0,5000", "0,2500 a 0,7500", "0,6250", "-0,1250", "sim") in rows
    assert ("0,5000", "0,2500 a 0,7500", "0,8750", "-0,3750", "não") in rows
    parts = [*english, *(line.unlike for found in reproductions() for line in found.lines)]
    parts += [line.missing for found in reproductions() for line in found.lines] + [b.to_have for b in BENCHMARKS]
    parts += [reproduction.CHECKPOINT, "the encoder is mine, theirs google/theirs"]
    unsaid = [key for key in REPRODUCTION if not any(p.fullmatch(s) for p, _ in patterns_of({key: ""}) for s in parts)]
    assert unsaid == []
