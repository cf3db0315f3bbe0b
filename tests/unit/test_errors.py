from __future__ import annotations

import inspect
import re

from luneta import errors
from luneta.errors import LunetaError, did_you_mean


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    drawn = set(re.findall(r"\w+Error", errors.__doc__ or ""))
    defined = {name for name, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, LunetaError)}
    assert drawn == defined


def test_long_lists_are_cut() -> None:
    text = did_you_mean("zzzz", [f"name{i}" for i in range(50)])
    assert text.count("name") == 20
    assert text.endswith("...")


def test_nothing_known() -> None:
    assert did_you_mean("x", []) == "There are none."
