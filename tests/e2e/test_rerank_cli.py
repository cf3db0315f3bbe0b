"""luneta rerank as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from benchmark_files import coco, imagenet_r, judgements
from luneta import embed, load_evaluation, open_dataset
from luneta.cli import app
from luneta.rerank import Fusion, Reranker, run
from luneta.rerank.honesty import QUESTIONS, Answer
from luneta.rerank.search import Queries
from pages import read

Luneta = Callable[..., Result]


@pytest.fixture
def luneta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Luneta:
    monkeypatch.chdir(tmp_path)

    def run_it(*arguments: object, status: int = 0) -> Result:
        environment = {"LUNETA_CACHE": str(tmp_path / "cache"), "COLUMNS": "160", "HF_HUB_OFFLINE": "1"}
        done = CliRunner(env=environment).invoke(app, list(map(str, arguments)))
        assert done.exit_code == status, done.output
        return done

    return run_it


@pytest.fixture
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was learnt is used: there is too little of it to be sure of."""
    import dataclasses

    choose = run.choose
    monkeypatch.setattr(run, "choose", lambda *a, **o: dataclasses.replace(choose(*a, **o), fusion=Fusion(1.0, 10)))
    monkeypatch.setattr(run, "question", lambda *_, **__: [Answer(name, 0.1, 0.05, 0.15) for name in QUESTIONS])


CENAS: tuple[Any, ...] = ("cenas", "--split", "val", "--limit", "40")
FEW: tuple[Any, ...] = (
    "--steps", "12", "--queries", "6", "--hard", "3", "--insert-layer", "-1", "--hidden", "16",
    "--learning-rate", "0.05",
)  # fmt: skip


@pytest.mark.usefixtures("believed")
def test_train_evaluate_apply(
    luneta: Luneta, tiny_checkpoint: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = tiny_checkpoint("siglip")
    train = (
        "rerank", "train", *CENAS, "-e", checkpoint, *FEW, "--dtype", "float32", "--out", "elip", "--val-split", "test",
        "--suspicious", "0", "--validated", "15", "--report", "elip.html",
    )  # fmt: skip
    said = luneta(*train).output
    assert "How far the new scores are believed" in said
    assert "elip/reranker (alpha 1 on the first 10)" in said.replace("\n", "")
    assert "Wrote elip.html" in said
    facts = {row.all("th")[0].text: row.all("td") for row in read(Path("elip.html").read_text()).all("tr")}
    assert [facts[name][0].text for name in ("suspicious", "validated", "hidden")] == ["0", "15", "[16]"]
    record = json.loads((tmp_path / "elip" / "elip.json").read_text())
    assert (record["recipe"]["suspicious"], record["recipe"]["validated"]) == (0, 15)
    assert record["n_val"] == len(open_dataset("cenas", split="test", limit=40).images)
    assert {path.name for path in (tmp_path / "elip").iterdir()} == {"elip.json", "reranker", "training.json"}
    _is_done_already(luneta, train, said, caplog)
    assert "recipe validated: 15 there, 16 here" in luneta(*train, "--validated", "16", status=2).output

    shown = luneta(
        "rerank", "evaluate", "elip/reranker", "cenas", "--split", "test", "--limit", "30", "--dtype", "float32",
        "--json", "r.json",
    ).output  # fmt: skip
    assert "re-ranked" in shown
    assert "ms for each text" in shown
    after, before = load_evaluation("r.json"), load_evaluation("r.before.json")
    ranks = [result.rankings["text_to_image"].n_better for result in (before, after)]
    assert (ranks[0] != ranks[1]).any()
    np.testing.assert_array_equal(np.sort(ranks[0][ranks[0] >= 10]), np.sort(ranks[1][ranks[1] >= 10]))

    shown = luneta(
        "rerank", "evaluate", "elip/reranker", "cenas", "--split", "test", "--limit", "30", "--dtype", "float32",
        "--k", "20", "--k", "5", "--json", "several.json",
    ).output  # fmt: skip
    assert "k = 20" in shown
    deep, shallow = (load_evaluation(f"several.k{k}.json").rankings["text_to_image"].n_better for k in (20, 5))
    np.testing.assert_array_equal(load_evaluation("several.before.json").rankings["text_to_image"].n_better, ranks[0])
    assert (deep != shallow).any()
    build = ("build", "imagenet-r", imagenet_r(tmp_path), "--out", "renditions")
    assert "12 pictures, 3 queries, 12 right answers, 0 passed over" in luneta(*build).output
    shown = luneta(
        "rerank", "evaluate", "elip/reranker", "renditions", "--dtype", "float32", "--k", "4", "--k", "8"
    ).output
    assert "map" in shown

    luneta(
        "rerank", "evaluate", "elip/reranker", "cenas", "--split", "test", "--limit", "30", "--dtype", "float32",
        "--report", "page.html", "--locale", "pt-BR",
    )  # fmt: skip
    page = read(Path("page.html").read_text())
    assert f"{checkpoint}, reordenado em cenas" in page.all("h1")[0].text
    assert len([a for a in page.all("article", klass="example") if len(a.all("ol", klass="found")) == 2]) > 2
    assert page.all("li", klass="right")

    asked = ("a red boat", "a dog", "two yellow houses at night", "um gato azul", "a tree", "stars over the sea")
    sought = [part for text in asked for part in ("--query", text)]
    luneta(
        "rerank", "apply", "elip/reranker", *CENAS, *sought, "--top", "2", "--dtype", "float32", "--json", "hits.json"
    )
    hits = json.loads(Path("hits.json").read_text())
    assert [found["query"] for found in hits] == list(asked)
    assert [hit["rank"] for hit in hits[0]["hits"]] == [1, 2]
    by_hand = _first(asked, _encoder(checkpoint, dtype="float32"), Path("elip/reranker"), looked_at=10)
    assert [[(hit["image"], hit["rank_before"]) for hit in found["hits"]] for found in hits] == by_hand
    assert max(before for found in by_hand for _, before in found) > 2, "it need not have looked beyond what it shows"


def test_the_built_in_one_computes_as_it_was_chosen(luneta: Luneta, caplog: pytest.LogCaptureFixture) -> None:
    sketches = ("cenas/sketch", "--split", "val", "--limit", "30", "--query", "a red boat", "--top", "3")
    luneta("rerank", "apply", "luneta-mini", *sketches, "--json", "hits.json")
    (found,) = json.loads(Path("hits.json").read_text())
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    assert not [record for record in caplog.records if "was made with" in record.getMessage()]
    luneta("rerank", "apply", "luneta-mini", *sketches, "--dtype", "bfloat16")
    assert [record for record in caplog.records if "was made with luneta-mini in float32" in record.getMessage()]


def test_building_benchmarks(luneta: Luneta, tmp_path: Path) -> None:
    instances = coco(tmp_path / "coco")
    said = luneta("build", "occluded-coco", instances, "--out", "occluded").output
    assert "9 pictures, 3 queries, 4 right answers, 7 passed over" in said
    said = luneta("build", "occluded-coco", instances, "--judgements", judgements(tmp_path), "--out", "occluded").output
    assert "6 pictures, 2 queries, 3 right answers, 4 passed over" in said
    said = luneta("build", "occluded-coco", instances, "--out", "occluded", "--hidden", "0.2", "--locale", "pt").output
    assert "9 imagens, 1 consultas, 1 respostas certas, 3 que não contam" in said
    asked = ("build", "occluded-coco", instances, "--judgements", judgements(tmp_path), "--hidden", "0.2", "--out", "o")
    assert "--hidden says nothing with --judgements" in luneta(*asked, status=2).output
    assert luneta("evaluate", "occluded", "--encoder", "luneta-mini").output
    assert "judged queries" in luneta("evaluate", "occluded", "--text", "x", status=2).output
    assert "no folders of classes" in luneta("build", "imagenet-r", tmp_path / "coco", "--out", "r", status=2).output
    said = luneta("build", "imagenet-r", tmp_path / "coco", "--out", "r", "--locale", "pt", status=2).output
    assert "não tem pastas de classes" in said


def test_mistakes_come_before_the_work(luneta: Luneta, tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint("clip")

    def refused(*arguments: object) -> str:
        return " ".join(luneta("rerank", *arguments, status=2).output.split())

    assert "Did you mean elip-s" in refused("train", *CENAS, "--variant", "elip-d", "--out", "x")
    assert "--hidden is 'wide', expected whole numbers" in refused("train", *CENAS, "--hidden", "wide", "--out", "x")
    assert "Did you mean luneta-mini" in refused("train", *CENAS, "-e", "luneta-mni", "--out", "x")
    assert "has 2 blocks" in refused("train", *CENAS, "-e", checkpoint, "--insert-layer", "7", "--out", "x")
    assert "--weight and --counts are of a cross-encoder" in refused("train", *CENAS, "--weight", "1", "--out", "x")
    assert "--counts are of a cross-encoder" in refused("train", *CENAS, "--counts", "logit", "--dry-run")
    assert "--gate-rate says nothing" in refused("train", *CENAS, "--no-gated", "--gate-rate", "0.1", "--out", "x")
    assert "--hard, --random" in refused("train", *CENAS, "--batches", "global", "--hard", "2", "--out", "x")
    assert "--warmup is 2.0, expected 0 to 1" in refused("train", *CENAS, "--warmup", "2", "--out", "x")
    assert "a folder of that name" in refused("train", *CENAS, "--report", tmp_path, "--out", "x")
    said = refused("evaluate", "luneta-mini", *CENAS, "--report", tmp_path)
    assert "a folder of that name" in said
    assert "ms for each text" not in said
    said = refused("train", *CENAS, "--weight", "1", "--out", "x", "--locale", "pt")
    assert "Erro de configuração: --weight e --counts são de um cross-encoder" in said
    assert "no such file" in refused("evaluate", "nowhere", *CENAS)
    assert not (tmp_path / "x").exists()
    other = tiny_checkpoint("siglip")
    luneta("rerank", "train", *CENAS, "-e", checkpoint, *FEW, "--out", "elip")
    assert "was made for" in refused("evaluate", "elip/reranker", *CENAS, "-e", other)
    assert not Reranker.load("elip/reranker", _encoder(checkpoint)).fusion.changes


def _encoder(checkpoint: Path, **choices: Any) -> Any:
    from luneta import load_encoder

    return load_encoder(checkpoint, **choices)


def _first(texts: Sequence[str], encoder: Any, folder: Path, looked_at: int) -> list[list[tuple[int, int]]]:
    """The first two pictures of each text by the new scores alone, and their places before."""
    data = open_dataset("cenas", split="val", limit=40)
    vectors = encoder.encode_texts(list(texts))
    candidates = np.argsort(-(vectors @ embed(encoder, data).images.T), axis=1)[:, :looked_at]
    rescorer = Reranker.load(folder, encoder).rescorer
    new = rescorer.rescore(Queries(list(texts), vectors), rescorer.pictures(data.images), candidates)
    order = np.argsort(-new, axis=1)[:, :2]
    return [[(int(own[place]), int(place) + 1) for place in row] for own, row in zip(candidates, order, strict=True)]


def _is_done_already(
    luneta: Luneta, command: Sequence[Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    """The same command again gives the same, and the same page, in either language; nothing is done."""
    page, folder = Path(command[-1]), command[command.index("--out") + 1]
    first, made = page.read_bytes(), {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*")}
    page.unlink()
    caplog.clear()
    assert luneta(*command).output == said
    assert f"done already: {folder} holds this very training" in caplog.text
    assert page.read_bytes() == first
    assert "Quanto se acredita" in luneta(*command, "--locale", "pt-BR").output
    assert f"já está feito: {folder} tem este mesmo treino" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*")} == made


@pytest.fixture
def fitted_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random cross-encoder is no use: it is used all the same."""
    import dataclasses

    from luneta.rerank import fitting

    choose = fitting.choose

    def forced(*arguments: Any, **options: Any) -> Any:
        choice = choose(*arguments, **options)
        return dataclasses.replace(choice, fusion=dataclasses.replace(choice.fusion, alpha=1.0, k=10))

    monkeypatch.setattr(fitting, "choose", forced)
    monkeypatch.setattr(fitting, "question", lambda *_, **__: [Answer(n, 0.1, 0.05, 0.15) for n in QUESTIONS])


@pytest.mark.usefixtures("fitted_by_force")
def test_fit_evaluate_apply(
    luneta: Luneta, tiny_checkpoint: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint, model = tiny_checkpoint("clip"), tiny_checkpoint("blip2")
    fit = (
        "rerank", "fit", *CENAS, "-e", checkpoint, "--model", model, "--weight", "0.05", "--candidates", "12",
        "--dtype", "float32", "--test-split", "test", "--out", "itm", "--report", "itm.html",
    )  # fmt: skip
    said = luneta(*fit).output
    assert "Does it do what it says?" in read(Path("itm.html").read_text()).text
    assert "How far the new scores are believed" in said
    assert "itm/reranker (alpha 1 on the first 10)" in said.replace("\n", "")
    _is_done_already(luneta, fit, said, caplog)
    record = json.loads((tmp_path / "itm" / "reranker" / "reranker.json").read_text())
    assert (record["kind"], record["cross_encoder"]["options"]["weight"]) == ("itm", 0.05)

    luneta(
        "rerank", "evaluate", "itm/reranker", "cenas", "--split", "test", "--limit", "40", "--dtype", "float32",
        "--json", "r.json",
    )  # fmt: skip
    after, before = load_evaluation("r.json"), load_evaluation("r.before.json")
    ranks = [result.rankings["text_to_image"].n_better for result in (before, after)]
    assert (ranks[0] != ranks[1]).any()
    np.testing.assert_array_equal(ranks[1], load_evaluation("itm/after.json").rankings["text_to_image"].n_better)

    luneta(
        "rerank", "apply", "itm/reranker", *CENAS, "--query", "a red boat", "--top", "4", "--dtype", "float32",
        "--model", model, "--json", "hits.json",
    )  # fmt: skip
    (found,) = json.loads(Path("hits.json").read_text())
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4]
    assert [hit["rank_before"] for hit in found["hits"]] != [1, 2, 3, 4]


MINE = '''
class Scorer:
    """Prefers red pictures to whoever speaks of red, and the others otherwise."""

    name, fingerprint = "mine:Scorer", "m" * 40

    def score(self, texts, pictures):
        reds = [picture.resize((1, 1)).getpixel((0, 0))[0] for picture in pictures]
        return [red if "red" in text else -red for text, red in zip(texts, reds)]
'''


@pytest.mark.usefixtures("fitted_by_force")
def test_a_cross_encoder_of_ones_own(
    luneta: Luneta, tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint = tiny_checkpoint("clip")
    luneta("rerank", "fit", *CENAS, "-e", checkpoint, "--model", "mine:Scorer", "--dtype", "float32", "--out", "own")
    asked = ("rerank", "apply", "own/reranker", *CENAS, "-q", "a red boat", "-q", "a dog", "--dtype", "float32")
    assert "an object of your own: give it" in " ".join(luneta(*asked, status=2).output.split())  # a file runs no code
    luneta(*asked, "--model", "mine:Scorer", "--json", "hits.json")
    red, other = json.loads(Path("hits.json").read_text())
    orders = [[hit["image"] for hit in found["hits"]] for found in (red, other)]
    assert orders[0] != orders[1]
    assert [hit["rank_before"] for hit in red["hits"]] != sorted(hit["rank_before"] for hit in red["hits"])


PAYLOAD = "from pathlib import Path\n\nPath('it_ran').touch()\n"


@pytest.mark.usefixtures("fitted_by_force")
@pytest.mark.parametrize("part", ["encoder", "cross_encoder"])
def test_what_a_folder_says_runs_no_code(
    luneta: Luneta, tiny_checkpoint: Callable[[str], Path], tmp_path: Path, part: str
) -> None:
    (tmp_path / "payload.py").write_text(PAYLOAD)
    model = tiny_checkpoint("blip2")
    luneta("rerank", "fit", *CENAS, "-e", tiny_checkpoint("clip"), "--model", model, "--dtype", "float32", "-o", "itm")
    record = tmp_path / "itm" / "reranker" / "reranker.json"
    said = json.loads(record.read_text())
    said[part]["name"] = "payload:Encoder"
    record.write_text(json.dumps(said))
    shown = luneta("rerank", "apply", "itm/reranker", *CENAS, "-q", "a dog", "--dtype", "float32", status=2).output
    assert "an object of your own: give it" in " ".join(shown.split())
    assert not (tmp_path / "it_ran").exists()


@pytest.mark.usefixtures("believed")
def test_train_with_a_cross_encoder(luneta: Luneta, tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    luneta(
        "rerank", "train", *CENAS, "-e", tiny_checkpoint("clip"), "--model", tiny_checkpoint("blip2"), *FEW,
        "--variant", "elip-b", "--hard", "1", "--learning-rate", "0.01", "--dtype", "float32", "--out", "elip-b",
    )  # fmt: skip
    record = json.loads((tmp_path / "elip-b" / "reranker" / "reranker.json").read_text())
    assert record["kind"] == "elip"
    assert record["cross_encoder"]["name"] == str(tiny_checkpoint("blip2"))
    shown = luneta("rerank", "evaluate", "elip-b/reranker", *CENAS, "--dtype", "float32").output
    assert "re-ranked" in shown


def test_mistakes_with_models_come_before_the_work(luneta: Luneta, tiny_checkpoint: Callable[[str], Path]) -> None:
    clip, blip2 = tiny_checkpoint("clip"), tiny_checkpoint("blip2")

    def refused(*arguments: object) -> str:
        return " ".join(luneta("rerank", *arguments, status=2).output.split())

    assert "it is an encoder" in refused("fit", *CENAS, "-e", clip, "--model", clip, "--out", "x")
    assert "so it is no encoder" in refused("fit", *CENAS, "-e", blip2, "--model", blip2, "--out", "x")
    assert "Did you mean logit" in refused("fit", *CENAS, "--model", blip2, "--counts", "logits", "--out", "x")
    assert "expected how much matching counts" in refused("fit", *CENAS, "--model", blip2, "--weight=-1", "--out", "x")
    assert "no such folder" in refused("fit", *CENAS, "--model", "./nowhere", "--out", "x")
    assert not Path("x").exists()
