"""What runs cost, and the ledger that forgets none."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luneta import cost
from luneta import ledger as ledgers
from luneta.cost import Prices, metered
from luneta.errors import ArtifactError, ConfigError
from luneta.ledger import entered, ledger_is_wanted, read_ledger, total


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "runs" / "ledger.jsonl"
    monkeypatch.setenv("LUNETA_LEDGER", str(path))
    return path


def run(kind: str = "finetune", error: BaseException | None = None, **facts: Any) -> None:
    with entered(kind, {"data": "pairs"}, device="cpu", prices=Prices(2.0, 5.0)) as going:
        going.facts.update(facts)
        if error is not None:
            raise error


def test_every_end_is_written_down(ledger: Path) -> None:
    run(recall=0.5)
    with pytest.raises(ValueError, match="x"):
        run(error=ValueError("x"))
    with pytest.raises(KeyboardInterrupt):
        run(error=KeyboardInterrupt())
    entries = read_ledger()
    assert [entry.status for entry in entries] == ["finished", "failed", "interrupted"]
    assert entries[1].facts["error"] == "ValueError: x"
    assert entries[0].facts["recall"] == 0.5
    for entry in entries:
        assert entry.kind == "finetune"
        assert entry.facts["data"] == "pairs"
        assert entry.facts["peak_mib"] > 10
        assert entry.facts["usd"] == pytest.approx(2 * entry.facts["wall_s"] / 3600)
        assert entry.facts["brl"] == pytest.approx(5 * entry.facts["usd"])


def test_running_and_killed(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed run has the cost that was known when it was last heard of."""
    monkeypatch.setattr(ledgers, "FIRST_BEAT_S", 0.02)
    with entered("finetune", {}, device="cpu", prices=Prices(1.0)) as going:
        going.note(predicted_s=60.0)
        while "wall_s" not in read_ledger()[0].facts:
            time.sleep(0.01)
        running = read_ledger()[0]
    assert (running.status, running.facts["predicted_s"]) == ("running", 60.0)
    assert 0 < running.facts["usd"] <= read_ledger()[0].facts["usd"]
    lines = ledger.read_text().splitlines()
    started = json.loads(lines[0])
    for process in ([started["process"][0], started["process"][1], 1], ["elsewhere", 1, 1], None, 17):
        gone = {**started, "process": process}  # the number has been given to another process, or is of another machine
        ledger.write_text("\n".join([json.dumps(gone), *lines[1:-1], ""]))
        assert read_ledger()[0].status == "killed"
        assert read_ledger()[0].facts["wall_s"] > 0


def write_many(n: int) -> None:
    for i in range(n):
        with entered("evaluate", {"i": i}, device="cpu", prices=Prices()):
            pass


def test_several_write_at_once(ledger: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=write_many, args=(12,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    entries = read_ledger()
    assert len(entries) == 48
    assert {entry.status for entry in entries} == {"finished"}


def test_half_a_line_is_a_crash_and_damage_is_said(ledger: Path) -> None:
    run()
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + b'{"id": "abc", "event": "st')
    assert len(read_ledger()) == 1
    run()  # does not write on from the half line
    assert [entry.status for entry in read_ledger()] == ["finished", "finished"]
    ledger.write_bytes(b'{"id": 3\n' + whole)
    with pytest.raises(ArtifactError, match=r"line 1 of .*ledger.jsonl is damaged; repair or remove it"):
        read_ledger()


def test_a_last_line_without_its_newline_is_kept(ledger: Path) -> None:
    """Some editors write none."""
    run("first", recall=0.5)
    ledger.write_bytes(ledger.read_bytes().rstrip(b"\n"))
    run("second")
    assert [(entry.kind, entry.status) for entry in read_ledger()] == [("first", "finished"), ("second", "finished")]


def test_no_ledger_and_no_place_for_one(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArtifactError, match="there is no ledger at"):
        read_ledger()
    ledger.parent.write_text("a file")
    with pytest.raises(ArtifactError, match="LUNETA_LEDGER names another file"):
        run()


@pytest.mark.parametrize("error", [None, ValueError("its own"), KeyboardInterrupt("its own")])
def test_a_ledger_lost_on_the_way_takes_nothing_with_it(
    ledger: Path, caplog: pytest.LogCaptureFixture, error: BaseException | None
) -> None:
    """Neither the result nor the run's own error."""
    results = []

    def work() -> None:
        with entered("finetune", {}, device="cpu", prices=Prices()) as going:
            ledger.unlink()
            ledger.mkdir()
            going.note(step=1)
            if error is not None:
                raise error
        results.append(going.facts["wall_s"])

    if error is None:
        work()
        assert results[0] > 0
    else:
        with pytest.raises(type(error), match="its own"):
            work()
    assert "cannot be written down in" in caplog.text
    assert "LUNETA_LEDGER names another file" in caplog.text


def test_a_ledger_is_begun_only_where_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LUNETA_LEDGER")
    assert not ledger_is_wanted()
    (tmp_path / "runs").mkdir()
    assert not ledger_is_wanted()  # a folder of that name may hold anything
    with entered("finetune", {}, device="cpu", prices=Prices(), written=False) as going:
        going.facts["x"] = 1
    assert going.facts["wall_s"] > 0
    assert not list((tmp_path / "runs").iterdir())
    (tmp_path / "runs" / "ledger.jsonl").touch()
    assert ledger_is_wanted()
    (tmp_path / "runs" / "ledger.jsonl").unlink()
    monkeypatch.setenv("LUNETA_LEDGER", "elsewhere.jsonl")
    assert ledger_is_wanted()


def test_prices() -> None:
    given = Prices(3.6, 5.0).of(1000, "cpu")
    assert given == {"usd_per_hour": 3.6, "price_from": "given", "usd": pytest.approx(1), "brl": pytest.approx(5)}
    guessed = Prices().of(3600, "NVIDIA A100-SXM4-80GB")
    assert (guessed["usd"], guessed["price_from"]) == (cost.USD_PER_HOUR["A100"], "table of 2026-11")
    assert Prices().of(3600, "NVIDIA A10G")["usd"] == cost.USD_PER_HOUR["A10"]
    assert Prices().of(3600, "NVIDIA L40S")["usd"] == cost.USD_PER_HOUR["L40S"]
    unknown = Prices(brl_per_usd=5).of(3600, "Abacus 3000")
    assert (unknown["usd"], unknown["brl"], unknown["price_from"]) == (None, None, "not known")
    for wrong in (-1.0, float("nan"), 1e9):
        with pytest.raises(ConfigError, match="usd_per_hour is"):
            Prices(wrong)


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("NVIDIA L40", None), ("NVIDIA T400 4GB", None), ("NVIDIA RTX A1000 Laptop GPU", None),
        ("NVIDIA GH200 480GB", None), ("NVIDIA A100-SXM4-80GB", "A100"), ("NVIDIA A10", "A10"), ("NVIDIA L40S", "L40S"),
        ("NVIDIA L4", "L4"), ("Tesla T4", "T4"), ("Tesla V100-SXM2-16GB", "V100"), ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H200", "H200"), ("NVIDIA GeForce RTX 3090", "3090"), ("cpu", "cpu"),
    ],
)  # fmt: skip
def test_a_price_is_of_that_device_and_of_no_other(device: str, name: str | None) -> None:
    assert Prices().of(3600, device)["usd"] == (None if name is None else cost.USD_PER_HOUR[name])


def test_the_total_leaves_nothing_out(ledger: Path) -> None:
    run()
    with pytest.raises(ValueError, match="x"):
        run(error=ValueError("x"))
    run("evaluate")
    with entered("finetune", {}, device="cpu", prices=Prices()) as going:
        going.note(wall_s=7200.0, usd=4.0)
        entries = read_ledger()
    known = sum(entry.facts["wall_s"] for entry in entries[:3])
    found = total(entries, brl_per_usd=10.0)
    assert (found.n_runs, found.n_at_least, found.n_unpriced, found.energy_kwh) == (4, 1, 0, None)
    assert found.wall_s == pytest.approx(7200 + known)
    assert found.usd == pytest.approx(4 + 2 * known / 3600)
    assert found.brl == pytest.approx(10 * 4 + 5 * 2 * known / 3600)  # by their own rate where they have one
    assert total([]).usd == 0


def test_energy_where_it_can_be_measured(
    monkeypatch: pytest.MonkeyPatch, ledger: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By codecarbon itself: more the longer it takes, told while it goes on, and nothing on the terminal."""
    monkeypatch.delitem(sys.modules, "codecarbon")
    with metered("cpu") as meter:
        seen = []
        for _ in range(2):
            end = time.perf_counter() + 1.2
            while time.perf_counter() < end:
                sum(range(10_000))
            seen.append(meter.energy_kwh())
    assert "codecarbon" not in "".join(capfd.readouterr())
    assert 0 < seen[0] < seen[1] < 0.01  # a processor takes some 10 to 300 watts
    run()
    assert read_ledger()[0].facts["energy_kwh"] >= 0
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with metered("cpu") as meter:
        assert meter.energy_kwh() is None


MIB = 2**20


def filled(mib: int) -> float:
    """Hold so much memory for a moment; its sum, so that it is written."""
    return float(np.ones(mib * MIB // 8).sum())


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system forgets no peak")
def test_memory_is_that_of_the_run() -> None:
    """Neither what was held and given back before it, nor less than what a run inside it has seen."""
    filled(900)
    with cost.peak_memory("cpu") as outer:
        start = outer.mib()
        filled(600)
        with cost.peak_memory("cpu") as inner:
            filled(200)
        filled(100)
    assert outer.of == inner.of == "run"
    assert outer.mib() - start == pytest.approx(600, abs=40)
    assert inner.mib() - start == pytest.approx(200, abs=40)
    with cost.peak_memory("cpu") as later:
        assert later.mib() < start + 100


def test_where_no_peak_is_forgotten_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_forget_peak", lambda device: False)
    peaks = iter([800.0, 800.0, 800.0, 900.0, 900.0, 900.0])
    monkeypatch.setattr(cost, "_peak_mib", lambda device: next(peaks))
    with cost.peak_memory("cpu") as peak:
        assert (peak.mib(), peak.of) == (800.0, "process")
        assert (peak.mib(), peak.of) == (900.0, "run")


def test_peaks_that_have_seen_the_same_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inner one ends, and the outer one is still told before anything is forgotten."""
    level = [800.0]
    monkeypatch.setattr(cost, "_peak_mib", lambda device: level[0])
    monkeypatch.setattr(cost, "_forget_peak", lambda device: True)
    with cost.peak_memory("cpu") as outer:
        with cost.peak_memory("cpu") as inner:
            assert inner.mib() == outer.mib()
        level[0] = 900.0
        with cost.peak_memory("cpu"):
            level[0] = 500.0  # forgotten
        assert outer.mib() == 900.0


def test_memory_is_of_the_gpu_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of the current one, which is the first unless somebody has said otherwise."""
    peaks = {"cuda:0": 7 * 2**20, "cuda:1": 9 * 2**20}
    fresh: list[Any] = []
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"card of {device}")
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda device=None: fresh.append(device))
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda device=None: peaks[device or "cuda:0"])
    with metered("cuda:1") as meter:
        assert (meter.device, meter.peak.mib(), fresh) == ("card of cuda:1", 9, ["cuda:1"])
        assert meter.peak.of == "gpu"


def test_a_run_that_is_killed_is_known(ledger: Path) -> None:
    job = (
        "import os, signal\nfrom luneta.cost import Prices\nfrom luneta.ledger import entered\n"
        "with entered('finetune', {'data': 'x'}, device='cpu', prices=Prices()):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    source = str(Path(cost.__file__).parents[1])
    subprocess.run([sys.executable, "-c", job], env={**os.environ, "PYTHONPATH": source}, check=False)
    assert [(entry.status, entry.facts["data"]) for entry in read_ledger()] == [("killed", "x")]


def test_a_ledger_of_its_own_while_a_block_lasts(ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "FIRST_BEAT_S", 0.02)
    own = tmp_path / "own" / "ledger.jsonl"
    with ledgers.kept_in(own), entered("demo", {}, device="cpu", prices=Prices()):
        time.sleep(0.2)
    assert len(own.read_text().splitlines()) > 2  # beats in between
    with entered("evaluate", {}, device="cpu", prices=Prices()):
        pass
    assert [entry.kind for entry in read_ledger(own)] == ["demo"]
    assert [entry.kind for entry in read_ledger(ledger)] == ["evaluate"]
