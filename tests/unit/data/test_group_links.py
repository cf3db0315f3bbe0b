"""Item numbers of several data sets: the same however their tables were read."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from luneta.data.dataset import ImageTextDataset
from luneta.data.groups import find_groups
from paintings import Held, gallery, painting


def items(name: str, values: list[object], start: int) -> ImageTextDataset:
    images = [Held(f"{name}-{i}", painting(start + i)) for i in range(len(values))]
    captions = [[f"{name} {i}"] for i in range(len(values))]
    return gallery(images, captions, name=name, columns={"sku": values})


@pytest.mark.parametrize(
    "other",
    [[7.0, None, 8.5], [Decimal("7.00"), None, Decimal("8.50")], ["7", "", "8.5"]],
    ids=["null", "exact", "text"],
)
def test_a_missing_value_does_not_change_the_others(other: list[object], caplog: pytest.LogCaptureFixture) -> None:
    whole, holed = items("whole", [7, 8], 0), items("holed", other, 5)
    with caplog.at_level(logging.WARNING, "luneta"):
        (link,) = find_groups((whole, holed), near=False, item_column="sku").links("item")
    assert (link.first.dataset, link.first.index, link.second.dataset, link.second.index) == (0, 0, 1, 0)
    said = "column 'sku' holds numbers in whole and text in holed"
    assert (said in caplog.text) == isinstance(other[0], str)


def test_nothing_is_said_of_a_column_of_nulls(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "luneta"):
        find_groups((items("whole", ["a", "b"], 0), items("empty", [None], 5)), near=False, item_column="sku")
    assert not caplog.text
