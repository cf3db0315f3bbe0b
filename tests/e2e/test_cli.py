"""The command line as a person uses it: real processes, real files."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import transformers
from PIL import Image
from typer.testing import CliRunner, Result

import pages
from luneta import Bundle, Searcher, compare, load_encoder, load_evaluation, open_dataset
from luneta.cli import app

STAMPS = Path(__file__).parents[3] / "shared" / "data" / "stamps"
needs_stamps = pytest.mark.skipif(not STAMPS.is_dir(), reason=f"the stamps data set is not at {STAMPS}")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def luneta(cache: Path, tmp_path: Path):
    def run(*arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"LUNETA_CACHE": str(cache), "COLUMNS": "160", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "luneta", *map(str, arguments)],
            capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=240,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def inside(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same in this process, for what another test shows in one of its own: imports would take most of the time."""

    def run(*arguments: object, status: int = 0) -> Result:
        monkeypatch.chdir(tmp_path)
        environment = {"LUNETA_CACHE": str(cache), "COLUMNS": "160", "HF_HUB_OFFLINE": "1"}
        done = CliRunner(env=environment).invoke(app, list(map(str, arguments)))
        assert done.exit_code == status, done.output
        return done

    return run


@needs_stamps
@pytest.mark.parametrize("language", ["en", "pt-BR", "ja"])
def test_stamps_end_to_end(request: pytest.FixtureRequest, tmp_path: Path, language: str) -> None:
    run = request.getfixturevalue("luneta" if language == "en" else "inside")
    done = run("evaluate", STAMPS, "--text", language, "--json", "result.json", "--report", "report.html")
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["schema"] == "luneta.evaluation/1"
    assert result["dataset"]["language"] == language
    assert result["dataset"]["n_images"] == 711 - len({row["row"] for row in result["skipped"]})
    for direction in ("text_to_image", "image_to_text"):
        metrics = result["metrics"][direction]
        recall = metrics["recall@10"]
        # luneta-mini has never seen such pictures: chance must lie beside the number, and the number near it
        assert 0 < recall["chance"] < 0.05
        assert recall["low"] <= recall["value"] <= recall["high"] <= 0.15
        assert metrics["mrr"]["value"] > 0
    assert pq.read_table(tmp_path / "queries.parquet").num_rows == (
        result["dataset"]["n_texts"] + result["dataset"]["n_images"]
    )
    assert "chance" in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert f"{result['protocol']['hash'][:12]}" in page


@needs_stamps
def test_equal_captions_for_different_pictures_matter(inside, tmp_path: Path) -> None:
    values = {}
    for rule in ("merge", "strict"):
        inside("evaluate", STAMPS, "--text", "en", "--duplicates", rule, "--json", f"{rule}.json")
        result = json.loads((tmp_path / f"{rule}.json").read_text())
        values[rule] = result["metrics"]["text_to_image"]["recall@10"]["chance"]
        assert result["protocol"]["duplicates"] == rule
    assert values["merge"] > values["strict"]  # 711 pictures, 628 captions: more than one right answer


@needs_stamps
def test_languages_of_the_stamps_are_compared_on_the_pictures_they_share(inside, tmp_path: Path) -> None:
    """zh lacks a fifth of the captions: alone it is the easier for it, beside English it is not."""
    done = inside("evaluate", STAMPS, "--language", "en,pt-BR,zh", "--json", "r.json", "--report", "r.html")
    told = json.loads((tmp_path / "r.json").read_text())
    results = {name: load_evaluation(tmp_path / f"r.luneta-mini.{name}.json") for name in ("en", "pt-BR", "zh")}
    n_images = {name: result.dataset["n_images"] for name, result in results.items()}
    assert n_images["zh"] < 0.85 * n_images["en"]
    gaps = [gap for gap in told["gaps"] if not gap["writing"]]
    assert len(gaps) == 2 * 2 * 3
    for gap in gaps:
        own = results[gap["language"]]
        assert gap["n_images"] == own.dataset["n_images"], "every picture has an English caption"
        assert gap["value"] == pytest.approx(gap["score"] - gap["reference_score"])
        metric = own.metrics[gap["direction"]][gap["metric"]]
        assert gap["chance"] == pytest.approx(metric.chance, rel=0.1)
        assert gap["score"] == pytest.approx(metric.value)
        if gap["language"] == "zh":  # among fewer pictures English finds more too
            assert gap["reference_chance"] > 1.15 * results["en"].metrics[gap["direction"]][gap["metric"]].chance
    assert "zh" in done.stdout
    assert "578" in (tmp_path / "r.html").read_text()


def test_two_encoders_one_report(inside, tmp_path: Path) -> None:
    done = inside(
        "evaluate", "cenas", "--limit", 60, "-e", "luneta-mini", "-e", "luneta-mini-siglip",
        "--json", "out/result.json", "--report", "out/report.html", "--locale", "pt-BR",
    )  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "report.html",
        "result.luneta-mini-siglip.json",
        "result.luneta-mini-siglip.queries.parquet",
        "result.luneta-mini.json",
        "result.luneta-mini.queries.parquet",
    ]
    assert 'lang="pt-BR"' in (tmp_path / "out" / "report.html").read_text()
    for said in ("O que fazer agora", "texto → imagem", "entre 60 imagens"):
        assert said in done.stdout
    assert "chance" not in done.stdout


ENCODERS = """
import time
from pathlib import Path
import numpy as np
from luneta import EncoderSpec

class Lengths:  # nothing large is imported for it
    spec = EncoderSpec(name="lengths", embedding_dim=8, fingerprint="lengths-1")
    def encode_images(self, images):
        return self.encode_texts([image.tobytes() for image in images])
    def encode_texts(self, texts):
        rows = np.array([np.arange(1, 9) + sum(bytes(str(text), "utf-8")) % 97 / 50 for text in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

class Slow(Lengths):
    spec = EncoderSpec(name="slow", embedding_dim=8, fingerprint="")
    def encode_images(self, images):
        Path("begun").touch()
        time.sleep(60)
    encode_texts = encode_images

class Broken(Lengths):
    spec = EncoderSpec(name="broken", embedding_dim=8, fingerprint="")
    def encode_images(self, images):
        raise RuntimeError("out of memory")
"""


def test_what_is_finished_is_on_the_disk_before_the_next_fails(luneta, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ENCODERS)
    done = luneta(
        "evaluate", "cenas", "--limit", 30, "-e", "mine:Lengths", "-e", "mine:Broken", "--json", "[bold]r[x].json",
        status=1,
    )  # fmt: skip
    assert "out of memory" in done.stderr
    assert "Wrote [bold]r[x].mine-Lengths.json" in done.stdout
    assert load_evaluation(tmp_path / "[bold]r[x].mine-Lengths.json").dataset["n_images"] == 30


def test_ctrl_c_ends_with_a_message(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ENCODERS)
    (tmp_path / "start.py").write_text(  # whoever runs the tests in the background has its children ignore Ctrl-C
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from luneta.cli import main; main()"
    )
    running = subprocess.Popen(
        [sys.executable, "start.py", "evaluate", "cenas", "--limit", "10", "-e", "mine:Slow"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env=os.environ | {"LUNETA_CACHE": str(cache)},
    )  # fmt: skip
    while not (tmp_path / "begun").exists():
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=50)
    assert running.returncode == 130
    assert "Stopped, before anything new was finished." in said
    assert "Traceback" not in said


@pytest.mark.parametrize("quiet", [False, True])
def test_quiet_draws_no_bars(cache: Path, tmp_path: Path, quiet: bool) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "luneta", *["-q"] * quiet, "profile", "cenas", "--limit", "10"],
        stdout=subprocess.DEVNULL, stderr=theirs, cwd=tmp_path,
        env=os.environ | {"LUNETA_CACHE": str(cache), "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    drawn = b""
    while True:
        try:
            drawn += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert done.wait(60) == 0
    assert (drawn == b"") == quiet, drawn


def test_file_names_that_are_no_text(luneta, tmp_path: Path) -> None:
    for number, name in enumerate((b"a", b"b", b"caf\xe9")):
        path = tmp_path / "photos" / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 40), (number * 90, 90, 200)).save(f"{path}.png")
        path.with_name(path.name + ".txt").write_text(f"a picture number {number}\n")
    (tmp_path / "mine.py").write_text(ENCODERS)
    luneta("evaluate", "photos", "-e", "mine:Lengths", "--json", "r.json", "--report", "r.html")
    names = load_evaluation(tmp_path / "r.json").query_names["image_to_text"]
    assert any("caf\ufffd" in name for name in names)


def test_embed_goes_on_where_it_was_and_only_adds(luneta, inside) -> None:
    first = luneta("embed", "cenas", "--limit", 30, "--out", "store")
    again = inside("embed", "cenas", "--limit", 30, "--out", "store")
    assert "30 images and 150 texts embedded" in first.stdout
    assert "0 images and 0 texts embedded, 30 and 150 were there already" in again.stdout


def test_profile(luneta, tmp_path: Path) -> None:
    done = luneta("profile", "cenas", "--limit", 40, "--report", "profile.html")
    assert "40" in done.stdout
    assert "<img" in (tmp_path / "profile.html").read_text()


def test_encoders(luneta) -> None:
    table = luneta("encoders").stdout
    for name in ("clip-b32", "siglip2-so400m", "luneta-mini-siglip", "google/siglip-base-patch16-256-multilingual"):
        assert name in table


@pytest.fixture(scope="module")
def demo(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo of 40 pictures a round."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "luneta", "demo", "--out", "my demo", "--limit", "40"], capture_output=True, text=True,
        cwd=folder, env=os.environ | {"LUNETA_CACHE": str(cache), "COLUMNS": "160"}, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Report: {folder / 'my demo' / 'report.html'}" in done.stdout
    assert "Can these numbers be trusted?" in done.stdout
    return folder / "my demo"


def test_the_demos_summary(demo: Path) -> None:
    records = json.loads((demo / "summary.json").read_text())
    keys = {"step", "encoder", "data", "language", "style", "direction", "metric", "value", "low", "high", "baseline"}
    assert all(keys | {"seconds"} <= set(record) for record in records)
    names = [
        tuple(r[k] for k in ("step", "encoder", "data", "language", "style", "direction", "metric")) for r in records
    ]
    assert len(set(names)) == len(records)
    found = {(r["step"], r["metric"]): r["value"] for r in records}
    assert found["profile", "n_images"] == 40
    assert found["profile", "captions.languages.en"] > 0.5
    assert found["total", "usd"] == pytest.approx(found["total", "wall_s"] / 3600 * 0.5)
    assert {("zero-shot", name) for name in ("images_per_s", "n_texts_computed", "recall@7")} <= set(found)
    assert {("zero-shot", name) for name in ("mean_positive_similarity", "share of ranks 3-5")} <= set(found)
    zero_shot = [r for r in records if r["step"] == "zero-shot"]
    assert {(r["encoder"], r["language"], r["style"]) for r in zero_shot} == {
        (encoder, language, style)
        for encoder in ("luneta-mini", "luneta-mini-siglip")
        for language, style in (("en", "flat"), ("pt-BR", "flat"), ("en", "sketch"), ("en", "night"))
    }
    assert len(list((demo / "results").glob("*.json"))) == 8


def test_the_demo_doubts_its_numbers(demo: Path) -> None:
    records = json.loads((demo / "summary.json").read_text())
    found = {(r["step"], r["metric"]): r["value"] for r in records}
    assert found["doctor", "fail"] == 0
    assert found["doctor", "pass"] > 15
    assert found["groups", "planted copies found"] == found["groups", "planted copies"] == 2
    assert found["leakage", "by groups.n_seen_images"] == 0
    assert found["leakage", "at random.test.n_images"] == 20
    recall = {
        r["encoder"]: r["value"] for r in records
        if (r["step"], r["metric"], r["direction"]) == ("zero-shot", "recall@1", "text_to_image")
        and (r["language"], r["style"]) == ("en", "flat")
    }  # fmt: skip
    learnt = [
        r for r in records
        if (r["step"], r["metric"], r["direction"]) == ("finetune", "recall@1", "text_to_image")
    ]  # fmt: skip
    assert [(r["data"], r["language"]) for r in learnt] == [
        ("cenas:test", "pt-BR"), ("cenas:test", "en"), ("cenas:val", "en"),
    ]  # fmt: skip
    assert learnt[1]["baseline"] == pytest.approx(recall["luneta-mini"])
    again = {r["metric"]: r for r in records if r["step"] == "rerank"}
    sketched = {
        r["encoder"]: r["value"] for r in records
        if (r["step"], r["metric"], r["direction"], r["style"]) == ("zero-shot", "recall@1", "text_to_image", "sketch")
    }  # fmt: skip
    assert again["recall@1"]["encoder"] == "luneta-mini re-ranked"
    assert again["recall@1"]["baseline"] == pytest.approx(sketched["luneta-mini"], abs=0.02)  # bfloat16 there
    gained = again["recall@1"]["value"] - again["recall@1"]["baseline"]
    assert again["difference of recall@1"]["value"] == pytest.approx(gained)
    assert again["difference of recall@1"]["low"] > 0
    (gap,) = [
        r for r in records
        if (r["step"], r["metric"], r["direction"]) == ("comparison", "recall@1", "text_to_image")
    ]  # fmt: skip
    assert gap["encoder"] == "luneta-mini - luneta-mini-siglip"
    assert gap["value"] == pytest.approx(recall["luneta-mini"] - recall["luneta-mini-siglip"])
    page = pages.read((demo / "report.html").read_text(encoding="utf-8"))
    links = [link.attributes["href"] for link in page.all("a") if not link.attributes["href"].startswith("#")]
    assert links == [
        "doctor.html", "leakage.html", "comparison.html", "finetuning.html",
        *(f"sketches-{method}.html" for method in ("full", "lora", "lit", "head")),
    ]  # fmt: skip
    for link in links:
        assert pages.read((demo / link).read_text(encoding="utf-8")).all("main")


def test_the_demo_learns_sketches_in_four_ways(demo: Path) -> None:
    """Its table says what the results that were saved say, in the order of their costs."""
    records = json.loads((demo / "summary.json").read_text())
    page = pages.read((demo / "report.html").read_text(encoding="utf-8"))
    (table,) = [t for t in page.all("table") if [cell.text for cell in t.all("th")][:1] == ["method (what learns)"]]
    _, start, *rows = [
        [cell.text for cell in row.children if isinstance(cell, pages.Element)] for row in table.all("tr")
    ]
    assert sorted(row[0].split()[0] for row in rows) == ["full", "head", "lit", "lora"]
    usd, bought = [], []
    for row in rows:
        method = row[0].split()[0]
        folder = demo / "demo-sketches" / method
        said = json.loads((folder / "finetuning.json").read_text())
        assert said["recipe"]["method"] == method
        cells = []
        for proof in ("1-cenas-sketch-test-en", "2-cenas-val-en"):
            both = [load_evaluation(folder / "results" / f"{proof}.{when}.json") for when in ("before", "after")]
            before, after = (result.metrics["text_to_image"]["recall@1"].value for result in both)
            gap = compare(both).difference("text_to_image", "recall@1", 1, 0)
            limits = "" if gap.low is None else f" ({gap.low or 0.0:+.3f} to {gap.high or 0.0:+.3f})"
            cells.append(f"{before:.3f} → {after:.3f}{limits}")
            (record,) = [
                r for r in records
                if (r["step"], r["encoder"]) == ("styles", f"luneta-mini tuned by {method}")
                and (r["metric"], r["direction"]) == ("recall@1", "text_to_image")
                and r["style"] == ("sketch" if "sketch" in proof else "flat")
            ]  # fmt: skip
            assert (record["baseline"], record["value"]) == (before, after)
            if "sketch" in proof and gap.low is not None and gap.low > 0:
                bought.append(100 * (after - before) / (100 * said["cost"]["usd"]))
        cost = said["cost"]
        assert cost["usd"] == pytest.approx(cost["wall_s"] / 3600 * 0.5)
        assert cost["brl"] == pytest.approx(cost["usd"] * 5.4)
        assert row[1:] == [
            *cells, f"{said['alpha']:.1f}", f"{cost['wall_s']:.0f}", f"{cost['usd']:.4f}", f"{cost['brl']:.4f}",
        ]  # fmt: skip
        assert start[1:3] == [cell.partition(" →")[0] for cell in cells]
        usd.append(cost["usd"])
    assert usd == sorted(usd)
    verdict = f"{max(bought):.1f} points a US cent" if bought else "No method has surely learnt sketches."
    assert verdict in page.text
    runs = [json.loads(line) for line in (demo / "runs" / "ledger.jsonl").read_text().splitlines()]
    outs = [Path(run["out"]).name for run in runs if run["event"] == "start"]
    assert outs == ["demo-tuned", "full", "lora", "lit", "head"]


def test_the_demos_total_leaves_nothing_out(demo: Path) -> None:
    records = json.loads((demo / "summary.json").read_text())
    total = {r["metric"]: r["value"] for r in records if r["step"] == "total"}
    timed = [
        r["value"] for r in records
        if r["step"] in ("zero-shot", "finetune", "styles", "rerank") and r["metric"].endswith("wall_s")
    ]  # fmt: skip
    assert len(timed) == 8 + 1 + 4 + 1 + 1
    once = {(r["step"], r["seconds"]) for r in records if r["step"] in ("profile", "doctor", "groups", "comparison",
                                                                        "index")}  # fmt: skip
    assert len(once) == 5
    assert total["wall_s"] == pytest.approx(sum(timed) + sum(seconds for _, seconds in once))
    assert total["brl"] == pytest.approx(total["usd"] * 5.4)


def test_the_demo_leaves_a_bundle_to_search(demo: Path) -> None:
    """The scores of its summary are those of a search anew, and of the checkpoint's own vectors."""
    records = json.loads((demo / "summary.json").read_text())
    scores = {r["metric"]: r["value"] for r in records if r["step"] == "index"}
    bundle = Bundle.open(demo / "demo-search.luneta")
    assert [wrong for _, wrong in bundle.verify() if wrong is not None] == []
    assert scores["image: n"] == bundle.n("image") == 100
    hits = Searcher(bundle).search("two purple ducks in the garden", top_k=5)
    page = pages.read((demo / "report.html").read_text(encoding="utf-8"))
    assert "luneta serve 'my demo/demo-search.luneta'" in page.text
    assert [scores[f"search 2: score of result {hit.rank}"] for hit in hits] == [hit.score for hit in hits]
    encoder = load_encoder(str(demo / "demo-tuned" / "model"), dtype="float32")
    (query,) = encoder.encode_texts(["two purple ducks in the garden"])
    images = encoder.encode_images([ref.open() for ref in open_dataset("cenas:test", language="en", limit=100).images])
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(images @ query)[:-6:-1], atol=1e-5)


def test_every_number_of_the_demos_report_is_in_its_summary(demo: Path) -> None:
    """Numbers with decimals, as printed or as percent; those of drawings are checked by their alternatives in words."""
    records = json.loads((demo / "summary.json").read_text())
    numbers = [abs(r[k]) for r in records for k in ("value", "low", "high", "chance", "seconds") if r[k] is not None]
    known = {f"{scale * number:.{digits}f}" for number in numbers for scale in (1, 100) for digits in range(1, 5)}
    known |= {str(number) for number in numbers}
    known |= {".".join(transformers.__version__.split(".")[:2])}
    for name in ("report", "comparison", "leakage"):
        (main,) = pages.read((demo / f"{name}.html").read_text(encoding="utf-8")).all("main")
        for drawing in main.all("svg"):
            drawing.children.clear()
        printed = set(re.findall(r"(?<![\w.@-])\d+\.\d+(?![\w@]|\.\d)", main.text.replace(",", "")))
        assert len(printed) >= (3 if name == "leakage" else 100)
        assert printed <= known, (name, sorted(printed - known))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "cenas", "-e", "luneta-minni"), "luneta-mini"),
        (("evaluate", "cenas/skech"), "sketch"),
        (("evaluate", "cenas", "--split", "tset"), "test"),
        (("evaluate", "cenas", "--duplicates", "merged"), "merge"),
        (("evaluate", "no/such/folder"), "no/such/folder"),
        (("profile", "cenas", "--limit", 20, "--report", "x.html", "--locale", "fr"), "pt-BR"),
    ],
)
def test_mistakes_get_one_clear_message(inside, arguments: tuple[object, ...], message: str) -> None:
    done = inside(*arguments, status=2)
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_mistake_is_no_traceback_in_a_process_either(luneta) -> None:
    done = luneta("evaluate", "cenas/skech", status=2)
    assert done.stderr.startswith("ConfigError: ")
    assert "Traceback" not in done.stderr


def test_help_has_examples(luneta, inside) -> None:
    assert "evaluate" in luneta("--help").stdout
    for verb in ("evaluate", "embed", "profile", "demo", "encoders"):
        assert f"luneta {verb}" in inside(verb, "--help").stdout
