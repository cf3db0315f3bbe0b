"""The page of a fine-tuning: what it says is what was measured, in both languages."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from checkpoints import make_checkpoint
from luneta.encoders.registry import load_encoder
from luneta.finetuning import FineTuning, Recipe, finetune
from luneta.finetuning.interpolation import Point
from luneta.finetuning.messages import FINETUNING
from luneta.report.finetuning import finetuning_lead, write_finetuning
from luneta.report.messages import TABLES
from tuning import pairs


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> FineTuning:
    root = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LUNETA_CACHE", str(root / "cache"))
        patched.setenv("LUNETA_LEDGER", str(root / "ledger.jsonl"))
        encoder = load_encoder(str(make_checkpoint("clip", root / "clip")), dtype="float32", device="cpu")
        recipe = Recipe(method="head", steps=4, batch_size=8, validations=2, learning_rate=1e-2)
        test, other = pairs(6, start=30, name="the test"), pairs(6, start=40, name="<other> & more")
        return finetune(encoder, pairs(20), out=root / "out", recipe=recipe, test=test, keep=[other])


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style>.*?</style>|<svg.*?</svg>", "", page)))


def test_what_it_says_was_measured(found: FineTuning, tmp_path: Path) -> None:
    page = write_finetuning(tmp_path / "page.html", found).read_text()
    said = words(page)
    assert "clip, fine-tuned on pairs" in said
    for proof in found.proofs:
        for direction, spoken in (("text_to_image", "text → image"), ("image_to_text", "image → text")):
            for name in ("recall@1", "mrr"):
                before, after = (r.metrics[direction][name].value for r in (proof.before, proof.after))  # type: ignore[index]
                assert re.search(rf"{spoken} {name} {before:.3f} \(.*?\) {after:.3f} \(", said), (proof.name, name)
    assert "Before and after on the test" in said
    assert "What it knew, before and after, on &lt;other&gt; &amp; more" in said
    assert "<other>" not in page
    for point in found.curve:
        assert f"{point.alpha:g}{' *' if point is found.chosen else ''} {point.recalls['validation']:.3f}" in said
    for drawing in ("Recall@1 is ", "Recall@1 on each data set for mixtures"):
        assert f'role="img" aria-label="{drawing}' in page
    assert "learning_rate 0.01" in said
    assert "://" not in re.sub(r'xmlns="[^"]*"', "", page)


def test_portuguese_all_over(found: FineTuning, tmp_path: Path) -> None:
    said = words(write_finetuning(tmp_path / "pagina.html", found, locale="pt-BR").read_text())
    assert "clip, ajustado em pairs" in said
    assert "texto → imagem recall@1 0," in said
    english = {"Before and after", "was kept", "Images learnt from", "minutes on", "validation and proof"}
    assert not [phrase for phrase in english if phrase in said]


def test_the_lead_is_honest(found: FineTuning) -> None:
    proof = found.proofs[0]
    before, after = (100 * r.metrics["text_to_image"]["recall@1"].value for r in (proof.before, proof.after))
    tuned = replace(found, chosen=Point(1.0, found.curve[0].recalls))
    assert f"{before:.1f} % before, {after:.1f} % after (" in finetuning_lead(tuned, "en")
    nothing = [Point(point.alpha, dict.fromkeys(point.recalls, 0.0)) for point in found.curve]
    unchanged = replace(found, curve=nothing, chosen=nothing[0])
    assert "Nothing was gained" in finetuning_lead(unchanged, "en")
    forgetful = [*nothing[:-1], Point(1.0, {**nothing[-1].recalls, "validation": 0.9})]
    assert "forgets more than was allowed" in finetuning_lead(replace(unchanged, curve=forgetful), "en")
    assert "nothing is proved" in finetuning_lead(replace(tuned, proofs=found.proofs[1:]), "en")
    assert "Nada se ganhou" in finetuning_lead(unchanged, "pt-BR")


def test_no_message_stands_twice() -> None:
    """Its words come beside those of all pages."""
    for table in TABLES:
        assert not set(table) & set(FINETUNING)
