"""A multilingual name assumed from a family: languages come from the checkpoint's own record, or are not known."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

from ailments import CLIP, SIGLIP, healthy, sample
from luneta import load_encoder
from luneta.doctor import examine
from luneta.encoders.presets import find_preset


def test_one_family_two_records() -> None:
    english, many = find_preset("siglip-b16"), find_preset("siglip-b16-multilingual")
    assert english is not None
    assert many is not None
    assert (english.languages, many.languages) == (("en",), ("multilingual",))


def test_a_folder_without_a_record_claims_nothing(tmp_path: Path, tiny_checkpoint: Callable[[str], Path]) -> None:
    """Whatever its family or its folder is called."""
    folder = Path(shutil.copytree(tiny_checkpoint("siglip2"), tmp_path / "siglip2-multilingual"))
    encoder = load_encoder(folder, dtype="float32")
    assert encoder.spec.languages == ()
    check = examine(encoder, sample("pt-BR"))["languages"]
    assert check.verdict == "not known"
    assert "not on record" in check.measured


def test_portuguese_for_an_english_encoder() -> None:
    clip = examine(healthy(CLIP), sample("pt-BR"))
    assert (clip["languages"].verdict, clip["tokenizer"].verdict) == ("warn", "warn")
    assert clip["languages"].measured == "captions: pt-BR (as the data set says); the encoder reads en"
    assert clip["tokenizer"].numbers["letters_per_token"] < 2
    siglip = examine(healthy(SIGLIP), sample("pt-BR"))
    assert siglip["languages"].verdict == "warn", "its tokenizer has the words, its model never read them"


def test_english_for_an_english_encoder() -> None:
    diagnosis = examine(healthy(CLIP), sample())
    assert (diagnosis["languages"].verdict, diagnosis["tokenizer"].verdict) == ("pass", "pass")


def test_captions_that_name_no_language_are_told_by_their_words() -> None:
    silent = dataclasses.replace(sample("pt-BR"), language=None)
    assert examine(healthy(CLIP), silent)["languages"].measured == "captions: pt (by their words); the encoder reads en"
