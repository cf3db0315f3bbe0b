"""The lab: what it takes, what it measures, how it ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio")

from luneta.comparison import compare
from luneta.data.sources import open_dataset
from luneta.encoders.registry import load_encoder
from luneta.errors import DatasetError
from luneta.evaluation import evaluate
from luneta.hub_access import hub_token
from luneta.progress import track
from luneta.serving.pages import lab as lab_module
from luneta.serving.pages.frame import Frame
from luneta.serving.pages.lab import CancelledError, Job, Lab, LabSettings, Task
from luneta.serving.pages.lab_page import LabPage
from luneta.serving.pages.lab_view import STAGES, outcome_html, progress_html, refused_html
from luneta.serving.pages.refusals import Refusal
from luneta.wording import LOCALES
from pages import read

BOTH = ("luneta-mini", "luneta-mini-siglip")
CENAS = Task("cenas", "cenas", language="en", limit=40, encoders=BOTH)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(LabSettings(most_images=100), tmp_path / "lab")


def ended(lab: Lab, task: Task, locale: Any = "en") -> Job:
    job = lab.start(task, locale)
    assert job.ended.wait(120)
    return job


def told(lab: Lab, job: Job, locale: Any = "en") -> str:
    assert job.error is not None, "it has worked"
    return lab.told(job.error, locale)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return ended(Lab(LabSettings(), tmp_path_factory.mktemp("lab")), CENAS)


def test_it_measures_what_evaluate_measures(measured: Job) -> None:
    found = measured.outcome
    assert found is not None
    data = open_dataset("cenas", language="en", limit=40)
    expected = [evaluate(load_encoder(name), data, cache=False) for name in BOTH]
    for one, other in zip(found.evaluations, expected, strict=True):
        assert one.protocol == other.protocol
        assert one.metrics == other.metrics
    assert found.comparison is not None
    assert found.comparison.to_dict()["differences"] == compare(expected).to_dict()["differences"]
    assert found.profile.n_images == 40


def test_what_it_gives_away_is_the_report_and_all_numbers(measured: Job) -> None:
    found = measured.outcome
    assert found is not None
    report = found.report.read_text("utf-8")
    assert report.startswith("<!doctype html>")
    assert (
        found.command
        == "luneta evaluate cenas --language=en --limit=40 --encoder=luneta-mini --encoder=luneta-mini-siglip"
    )
    assert found.command in report
    results = json.loads(found.results.read_text("utf-8"))
    assert results["schema"] == "luneta.lab/1"
    recalls = [each["metrics"]["text_to_image"]["recall@1"]["value"] for each in results["evaluations"]]
    assert recalls == [each.metrics["text_to_image"]["recall@1"].value for each in found.evaluations]
    assert results["comparison"]["differences"]
    assert results["profile"]["n_images"] == 40
    assert results["advice"]


@pytest.mark.parametrize("locale", LOCALES)
def test_the_page_shows_every_number_with_its_interval(measured: Job, locale: Any) -> None:
    found = measured.outcome
    assert found is not None
    page = read(outcome_html(found, locale))
    tables = page.all("table")
    for direction, table in zip(("text_to_image", "image_to_text"), tables, strict=False):
        for row, evaluation in zip(table.all("tbody")[0].all("tr"), found.evaluations, strict=False):
            assert row.all("th")[0].text == evaluation.encoder["name"]
            metric = evaluation.metrics[direction]["recall@1"]  # type: ignore[index]
            cell = row.all("td")[0].text
            written = f"{100 * metric.value:.1f} %"
            assert cell.startswith(written if locale == "en" else written.replace(".", ","))
            assert "[" in cell or "a" in cell
        assert "chance" in table.all("tr")[-1].attributes["class"]
    assert len(page.all("img")) == 6
    assert all(picture.attributes["alt"] for picture in page.all("img"))


def test_the_only_encoder_is_compared_with_nothing(lab: Lab) -> None:
    found = ended(lab, replace(CENAS, encoders=BOTH[:1], limit=20)).outcome
    assert found is not None
    assert found.comparison is None
    assert len(read(outcome_html(found, "en")).all("table")) == 3  # two directions and the cost


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"source": "folder", "name": "x"}, "lab_no_source"),
        ({"name": "cenas:train"}, "lab_no_source"),
        ({"name": "../cenas"}, "lab_no_source"),
        ({"name": ""}, "lab_no_source"),
        ({"source": "hub", "name": "../../etc"}, "lab_hub_name"),
        ({"source": "hub", "name": "/etc/passwd"}, "lab_hub_name"),
        ({"source": "hub", "name": "name"}, "lab_hub_name"),
        ({"split": "../x"}, "lab_word"),
        ({"language": "a b"}, "lab_word"),
        ({"image": "/etc"}, "lab_column"),
        ({"image": "~root"}, "lab_column"),
        ({"text": "a/../b"}, "lab_column"),
        ({"limit": 1}, "lab_limit"),
        ({"limit": 101}, "lab_limit"),
        ({"limit": -5}, "lab_limit"),
        ({"encoders": ()}, "lab_encoders"),
        ({"encoders": ("luneta-mini",) * 2}, "lab_encoders"),
        ({"encoders": tuple(f"a/b{i}" for i in range(7))}, "lab_encoders"),
        ({"encoders": ("os:system",)}, "lab_encoder"),
        ({"encoders": ("/etc",)}, "lab_encoder"),
        ({"encoders": ("luneta.encoders.custom:load_object",)}, "lab_encoder"),
        ({"encoders": ("../x/y",)}, "lab_encoder"),
        ({"encoders": ("nope",)}, "lab_encoder"),
    ],
    ids=str,
)
def test_what_may_not_be_asked_is_refused_before_anything_is_opened(lab: Lab, changes: Any, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        lab.start(replace(CENAS, **changes), "en")
    assert caught.value.name == name
    for locale in LOCALES:
        assert len(lab.told(caught.value, locale)) > 15


def test_a_folder_of_this_machine_is_no_encoder(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refusal):
        lab.start(replace(CENAS, encoders=("my/model",)), "en")


def data_set(folder: Path, n: int = 8) -> Path:
    folder.mkdir(parents=True)
    data = open_dataset("cenas", language="en", limit=n)
    lines = []
    for i, image in enumerate(data.images):
        image.open().save(folder / f"{i}.png")
        lines.append({"image": f"{i}.png", "text": data.texts[int(data.texts_of(i)[0])]})
    (folder / "table.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


@pytest.fixture
def with_folders(tmp_path: Path) -> Lab:
    data_set(tmp_path / "shared" / "mine")
    data_set(tmp_path / "secret")
    return Lab(LabSettings(folders=tmp_path / "shared"), tmp_path / "lab")


ONE = replace(CENAS, source="folder", language="", encoders=BOTH[:1])


def test_folders_are_opened_below_the_one_that_was_given(with_folders: Lab) -> None:
    assert with_folders.folders() == ["mine"]
    found = ended(with_folders, replace(ONE, name="mine")).outcome
    assert found is not None
    assert found.profile.n_images == 8


@pytest.mark.parametrize("name", ["../secret", "mine/../../secret", "nope", "", "\0", "/etc", "mine/link"])
def test_folders_elsewhere_are_not_there(with_folders: Lab, tmp_path: Path, name: str) -> None:
    (tmp_path / "shared" / "mine" / "link").symlink_to(tmp_path / "secret")
    job = ended(with_folders, replace(ONE, name=name))
    assert isinstance(job.error, Refusal)
    assert job.error.name == "lab_folder_missing"
    absolute = ended(with_folders, replace(ONE, name=str(tmp_path / "secret")))
    assert isinstance(absolute.error, Refusal)


def archived(folder: Path, path: Path) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"data/{file.name}")
    return str(path)


def test_an_upload_is_measured_and_forgotten(lab: Lab, tmp_path: Path) -> None:
    upload = archived(data_set(tmp_path / "d"), tmp_path / "d.zip")
    task = replace(ONE, source="upload", name="", uploads=(upload,), encoders=BOTH)
    found = ended(lab, task).outcome
    assert found is not None
    assert (found.profile.name, found.profile.n_images, found.command) == ("d.zip", 8, None)
    assert list((tmp_path / "lab").glob("lab-data-*")) == []
    assert found.report.exists()
    assert str(tmp_path) not in found.report.read_text("utf-8")
    assert str(tmp_path) not in found.results.read_text("utf-8")


def test_what_is_wrong_with_an_upload_is_told_without_a_place_of_this_machine(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,text\nnope.png,a thing\n")
    job = ended(lab, replace(ONE, source="upload", uploads=(str(tmp_path / "t.csv"),)))
    assert isinstance(job.error, DatasetError)
    for locale in LOCALES:
        assert str(tmp_path) not in told(lab, job, locale)
        assert "lab-data-" not in told(lab, job, locale)
    assert told(lab, job, "pt-BR") != told(lab, job, "en")


def test_what_broke_here_is_not_shown_to_others(lab: Lab) -> None:
    said = lab.told(RuntimeError("/srv/secret"), "en")
    assert "secret" not in said
    assert "not the request's fault" in said


class Endless:
    """Stands for something that measures until nobody waits for it."""

    def __init__(self) -> None:
        self.begun, self.stopped = threading.Event(), threading.Event()

    def __call__(self, data: Any) -> Any:
        try:
            with track("looking at images", 10**9) as advance:
                while True:
                    self.begun.set()
                    advance(1)
                    time.sleep(0.001)
        finally:
            self.stopped.set()


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Endless:
    found = Endless()
    monkeypatch.setattr(lab_module, "profile", found)
    return found


def test_a_job_that_is_cancelled_ends(lab: Lab, endless: Endless) -> None:
    job = lab.start(CENAS, "en")
    assert endless.begun.wait(60)
    waiting = lab.start(CENAS, "en")  # one at a time
    time.sleep(0.3)
    assert not waiting.ended.is_set()
    waiting.cancelled.set()
    assert waiting.ended.wait(10)
    assert not job.ended.is_set()
    job.cancelled.set()
    assert job.ended.wait(10)
    for each in (job, waiting):
        assert isinstance(each.error, CancelledError)
        assert each.outcome is None
    assert lab.told(job.error, "pt-BR") == "Cancelado."  # type: ignore[arg-type]


def test_so_many_wait_and_no_more(lab: Lab, endless: Endless) -> None:
    jobs = [lab.start(CENAS, "en") for _ in range(lab_module.MOST_JOBS)]
    for locale, said in (("en", "8 measurements wait already"), ("pt-BR", "8 medições")):
        with pytest.raises(Refusal) as caught:
            lab.start(CENAS, "en")
        assert said in lab.told(caught.value, locale)  # type: ignore[arg-type]
    jobs[3].cancelled.set()
    assert jobs[3].ended.wait(10)
    jobs.append(lab.start(CENAS, "en"))
    lab.close()
    assert all(job.ended.wait(10) for job in jobs)
    assert endless.stopped.is_set()


def test_nothing_is_had_with_the_token_of_whoever_serves(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    for name in ("open_dataset", "load_encoder"):
        usual = getattr(lab_module, name)
        monkeypatch.setattr(lab_module, name, lambda *a, u=usual, **k: (shown.append(hub_token()), u(*a, **k))[1])
    assert ended(lab, replace(CENAS, limit=10)).outcome is not None
    assert shown == [False] * 3


def test_others_have_the_hub_and_encoders_as_far_as_they_are_given(tmp_path: Path) -> None:
    lab = Lab(LabSettings(hub=False, encoders=("luneta-mini", "owner/mine")), tmp_path)
    assert lab.sources == ("cenas", "upload")
    assert lab.encoders() == ["luneta-mini", "owner/mine"]
    for changes, name in (
        ({"source": "hub", "name": "owner/data"}, "lab_no_source"),
        ({"encoders": ("siglip2-b16",)}, "lab_encoder_here"),
        ({"encoders": ("luneta-mini", "owner/other")}, "lab_encoder_here"),
    ):
        with pytest.raises(Refusal) as caught:
            lab.start(replace(CENAS, **{"encoders": ("luneta-mini",), **changes}), "en")
        assert caught.value.name == name


class Visitor:
    """As gradio tells who asks."""

    def __init__(self, session: str) -> None:
        self.session_hash = session


@pytest.fixture
def page(lab: Lab) -> LabPage:
    gr = pytest.importorskip("gradio")

    async def made() -> LabPage:
        with gr.Blocks():
            return LabPage(Frame(), lab)

    return asyncio.run(made())


def asked(page: LabPage, session: str = "a", limit: int = 10) -> Any:
    words = ("cenas", "cenas", "", None, None, "", "en", "", "")
    return page._run(Visitor(session), "en", *words, limit, BOTH[:1])  # type: ignore[arg-type]


def test_one_measurement_at_a_time_is_anybodys(page: LabPage, endless: Endless) -> None:
    async def walk() -> None:
        first = asked(page)
        assert "Measuring" in (await anext(first))[0]
        refused = [shown async for shown in asked(page)]
        assert "still running" in refused[0][0]
        other = asked(page, "b")
        assert "Measuring" in (await anext(other))[0]
        await first.aclose()
        again = asked(page)
        assert "Measuring" in (await anext(again))[0]
        page.lab.close()

    asyncio.run(walk())


def test_what_nobody_waits_for_is_stopped(page: LabPage, endless: Endless) -> None:
    async def walk() -> None:
        waiting = asked(page)
        await anext(waiting)
        assert await asyncio.to_thread(endless.begun.wait, 60)
        assert not endless.stopped.is_set()
        await waiting.aclose()
        assert await asyncio.to_thread(endless.stopped.wait, 10)

    asyncio.run(walk())


def test_a_measurement_is_watched_to_its_end(page: LabPage) -> None:
    async def walk() -> list[Any]:
        return [shown async for shown in asked(page)]

    *working, last = asyncio.run(walk())
    assert working
    assert all(shown[1] is None and "Measuring" in shown[0] for shown in working)
    assert last[1].profile.n_images == 10


@pytest.mark.parametrize("limit", [1, 0, 101])
def test_a_number_that_cannot_be_is_told_by_the_lab(page: LabPage, limit: int) -> None:
    async def walk() -> list[Any]:
        return [shown async for shown in asked(page, limit=page.limit.preprocess(limit))]

    (shown,) = asyncio.run(walk())
    assert "Choose 2 to 100 pictures." in shown[0]


def test_progress_is_told_with_its_step_stage_and_count() -> None:
    job = Job(["data", "luneta-mini", "report"], at=1, stage="images", done=30, total=1200)
    page = read(progress_html(job, "pt-BR"))
    assert page.all("p", role="status")[0].text == "Medindo: luneta-mini"
    assert page.all("progress")[0].attributes["value"] == str(round(100 * (1 + 30 / 1200) / 3))
    assert "imagens 30 / 1.200" in page.text
    assert [(step.text, step.attributes.get("aria-current")) for step in page.all("li")] == [
        ("dados", None), ("luneta-mini", "step"), ("comparação e relatório", None),
    ]  # fmt: skip
    job.begin(2)
    assert (job.stage, job.total) == ("", None)
    assert read(progress_html(job, "en")).all("progress")[0].attributes["value"] == "67"


def test_stages_have_names_in_both_languages() -> None:
    for stage in STAGES:
        job = Job(["data"], stage=stage, done=1, total=2)
        assert f"{stage} 1 / 2" in read(progress_html(job, "en")).text
        assert "1 / 2" in read(progress_html(job, "pt-BR")).text


def test_refusals_are_escaped() -> None:
    assert "<script>" not in refused_html("<script>alert(1)</script>", "en")


def test_reports_are_forgotten_after_hours(lab: Lab, tmp_path: Path) -> None:
    import os

    old, new = tmp_path / "lab" / "lab-old", tmp_path / "lab" / "lab-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "report.html").write_text("x")
    os.utime(old, (1, 1))
    job = lab.start(replace(CENAS, limit=10, encoders=BOTH[:1]), "en")
    assert (old.exists(), new.exists()) == (False, True)
    job.cancelled.set()
    assert job.ended.wait(60)


def test_very_many_reports_are_not_kept(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setattr(lab_module, "MOST_KEPT", 2)
    now = time.time()
    for number in range(4):
        folder = tmp_path / "lab" / f"lab-{number}"
        folder.mkdir(parents=True)
        os.utime(folder, (now - number, now - number))
    lab._sweep()
    assert sorted(folder.name for folder in (tmp_path / "lab").iterdir()) == ["lab-0", "lab-1"]
