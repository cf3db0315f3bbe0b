"""Every reason that the data floor gives is known in Portuguese, with its parameters in place."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from luneta.data.captions import MAX_CHARACTERS, caption_problem
from luneta.data.reasons import PORTUGUESE, reason_in

SRC = Path(__file__).parents[3] / "src" / "luneta"
HELPERS = {  # functions that give back a reason, or nothing
    "captions.py": {"caption_problem"},
    "columns.py": {"_choose_image", "_find_texts"},
    "folders.py": {"_lines"},
    "images.py": {"_foreign", "_damage"},
    "pictures.py": {"_add_file", "_file_problem"},
    "references.py": {"size_problem"},
    "tables.py": {"_parse_line"},
}


def parameters(text: str) -> set[str]:
    return {name for _, name, *_ in string.Formatter().parse(text) if name}


def spoken(node: ast.AST) -> list[str]:
    """The texts of an expression, whatever stands in their braces written as 7."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) and node.value else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(part.value if isinstance(part, ast.Constant) else "7" for part in node.values)]
    if isinstance(node, ast.IfExp):
        return spoken(node.body) + spoken(node.orelse)
    if isinstance(node, ast.Tuple):
        return [text for element in node.elts for text in spoken(element)]
    return []


def reasons(path: Path) -> set[str]:
    """What a module says in ImageErrors, in its helpers' answers and of rows it calls broken."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ImageError":
            found.update(spoken(node.args[0]))
        elif isinstance(node, ast.FunctionDef) and node.name in HELPERS.get(path.name, ()):
            returned = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value]
            found.update(text for value in returned for text in spoken(value))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith(
            ("broken[", "problem", "sample.p")
        ):
            found.update(spoken(node.value))
    return found


def test_the_modules_are_read() -> None:
    names = {name for path in SRC.glob("data/*.py") if path.name in HELPERS for name in HELPERS[path.name]
             if f"def {name}(" in path.read_text(encoding="utf-8")}  # fmt: skip
    assert names == set().union(*HELPERS.values())
    every = set().union(*(reasons(path) for path in SRC.glob("data/*.py")))
    assert {"truncated file", "line 7 is not UTF-8", "its .7 is not JSON", "empty caption"} <= every
    assert len(every) >= 35


@pytest.mark.parametrize("path", [*SRC.glob("data/*.py"), SRC / "decoding.py"], ids=lambda path: path.name)
def test_every_reason_of_a_module_is_known(path: Path) -> None:
    for reason in reasons(path) - {"not a picture but 7"}:  # its kinds are tried below
        assert reason_in(reason, "en") == reason
        assert reason_in(reason, "pt-BR") != reason, f"{reason!r} is missing from data/reasons.py"


def test_every_kind_of_foreign_file_is_known() -> None:
    from luneta.data.images import _FOREIGN

    for _, kind in _FOREIGN:
        assert reason_in(f"not a picture but {kind}", "pt-BR").startswith("não é uma imagem, e sim ")


@pytest.mark.parametrize("english", PORTUGUESE)
def test_parameters_are_the_same_and_land_where_they_belong(english: str) -> None:
    assert parameters(english) == parameters(PORTUGUESE[english])
    values = {name: f"<{name}>" for name in parameters(english)}
    assert reason_in(english.format(**values), "pt-BR") == PORTUGUESE[english].format(**values)


@pytest.mark.parametrize(
    ("english", "portuguese"),
    [
        ("line 3 is not UTF-8", "a linha 3 não está em UTF-8"),
        ("a.txt is not UTF-8", "a.txt não está em UTF-8"),
        ("line 12 is a list, not an object", "a linha 12 traz uma lista em vez de um objeto"),
        ("by its name, named after a language", "pelo nome, tem o nome de um idioma"),
        ("a folder, not a file", "uma pasta, não um arquivo"),
        ("file of 1,234.5 GiB, more than 1 GiB, the limit", "arquivo de 1.234,5 GiB, acima do limite de 1 GiB"),
        ("cannot be read ({0} of {x})", "não pode ser lida ({0} of {x})"),
        ("damaged file (bad\nline; and more)", "arquivo danificado (bad\nline; and more)"),
        ("caption left out: empty caption; empty caption", "legenda deixada de fora: legenda vazia; legenda vazia"),
        ("caption left out: something new", "caption left out: something new"),
        ("empty caption; something new", "empty caption; something new"),
        ("", ""),
    ],
)
def test_whole_reasons(english: str, portuguese: str) -> None:
    assert reason_in(english, "pt-BR") == portuguese


def test_a_reason_that_is_really_given() -> None:
    said = caption_problem("x" * (MAX_CHARACTERS + 1))
    assert said is not None
    assert reason_in(said, "pt-BR") == "legenda de 100.001 caracteres, mais que 100.000"
    assert not re.search("caption|more", reason_in(said, "pt-BR"))
