"""Requests made up from the API's own description: what it promises is what it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

import serving

schemathesis = pytest.importorskip("schemathesis")

OPERATIONS = [
    ("GET", "/healthz"), ("GET", "/metrics"), ("POST", "/search"), ("POST", "/similar"), ("POST", "/embed"),
    ("GET", "/bundles"),
    ("GET", "/bundles/{name}"), ("GET", "/bundles/{name}/items/{id}"), ("GET", "/bundles/{name}/thumbnails/{id}.jpg"),
]  # fmt: skip
SAID_IN_WORDS = [schemathesis.checks.positive_data_acceptance]
"""A schema cannot say what a filter looks like, or that a query has to have a part."""

N_EXAMPLES = {"POST": 30, "GET": 12}
"""Of each kind (as described, and not) for each operation."""


@pytest.fixture(scope="module")
def schema(bundle: Path) -> Iterator[Any]:
    """What is known of the API from its own description alone."""
    with serving.listening(bundle) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [(*each, True) for each in OPERATIONS]
    + [(*each, False) for each in OPERATIONS if each[0] == "POST" or "{" in each[1]],
)
def test_the_api_does_as_its_schema_says(schema: Any, method: str, path: str, wanted: bool) -> None:
    mode = schemathesis.GenerationMode.POSITIVE if wanted else schemathesis.GenerationMode.NEGATIVE
    strategy = schema[path][method].as_strategy(generation_mode=mode)

    @seed(0)
    @settings(
        max_examples=N_EXAMPLES[method], database=None, deadline=None, derandomize=False, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def promised(case: Any) -> None:
        answer = case.call()
        case.validate_response(answer, excluded_checks=SAID_IN_WORDS if method == "POST" else [])
        assert answer.status_code < 500

    promised()
