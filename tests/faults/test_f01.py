"""SigLIP padded to the longest of the batch: impossible in our own encoders, named in a user's."""

from __future__ import annotations

import numpy as np

import ailments
from ailments import SIGLIP, healthy, recall_at_1, sample
from luneta.doctor import examine


def test_a_text_has_one_vector_whatever_its_neighbours() -> None:
    encoder = healthy(SIGLIP)
    alone, beside = encoder.encode_texts(["a dog"]), encoder.encode_texts(["a dog", "a red boat on the beach " * 9])
    np.testing.assert_allclose(alone[0], beside[0], atol=1e-6)


def test_the_fault_is_named_and_costs_recall_until_it_is_mended() -> None:
    broken, data = ailments.PaddedToLongest(), sample()
    alone, beside = broken.encode_texts(["a dog"]), broken.encode_texts(["a dog", "a red boat on the beach " * 9])
    assert alone[0] @ beside[0] < 0.9, "the same text, another vector"
    diagnosis = examine(broken, quick=True)
    assert [check.name for check in diagnosis.failed] == ["text padding"]
    assert 'padding="max_length"' in diagnosis["text padding"].mend
    sound = healthy(SIGLIP)
    assert examine(sound, quick=True)["text padding"].verdict == "pass"
    assert recall_at_1(broken, data) < recall_at_1(sound, data) - 0.05


def test_the_fault_in_an_encoder_of_ours_is_named_by_what_its_tower_reads() -> None:
    check = examine(ailments.misread(SIGLIP, pads_to_context=False), quick=True)["text padding"]
    assert check.verdict == "fail"
    assert check.numbers["length"] < check.numbers["context"] == 32
