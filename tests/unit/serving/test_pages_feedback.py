"""Thumbs: what they are for a query, and what stands in the file."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from luneta.errors import ArtifactError
from luneta.serving.pages import feedback
from luneta.serving.pages.feedback import DOWN, UP, FeedbackBook, Marks, exported, vote_record


def record(**changes: object) -> dict[str, object]:
    plain = {
        "bundle": "shop", "dataset": "d", "query": "a boat", "target": "image", "item": 7, "key": "k", "rank": 1,
        "score": 0.123456789, "vote": UP,
    }  # fmt: skip
    return vote_record(**{**plain, **changes})  # type: ignore[arg-type]


def test_a_thumb_is_given_changed_and_taken_back() -> None:
    marks, now = Marks("q").toggled(7, UP)
    assert (marks.like, marks.unlike, now) == ((7,), (), UP)
    marks, now = marks.toggled(7, DOWN)
    assert (marks.like, marks.unlike, now) == ((), (7,), DOWN)
    marks, now = marks.toggled(8, UP)
    assert (marks.like, marks.unlike) == ((8,), (7,))
    marks, now = marks.toggled(7, DOWN)
    assert (marks.like, marks.unlike, now) == ((8,), (), 0)


def test_thumbs_are_of_one_query_and_the_log_of_all() -> None:
    marks = Marks("boats").toggled(7, UP)[0].logged(record())
    assert marks.for_query("boats") is marks
    other = marks.for_query("cats")
    assert (other.of, other.votes, other.log) == ("cats", {}, marks.log)


def test_a_page_remembers_the_last_thumbs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "MOST_LOGGED", 3)
    marks = Marks()
    for number in range(5):
        marks = marks.logged(record(item=number))
    assert [each["id"] for each in marks.log] == [2, 3, 4]


def test_what_is_written_is_one_object_a_line(tmp_path: Path) -> None:
    book = FeedbackBook(tmp_path / "not yet" / "there")
    path = book.path("my shop", "ac18937b4f31")
    written = [record(query="um barco\nvermelho"), record(item=8, vote=DOWN), record(query="\ud800 half")]
    for each in written:
        book.write(path, each)
    lines = path.read_text("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [7, 8, 7]
    assert json.loads(lines[0])["query"] == "um barco\nvermelho"
    assert json.loads(lines[0])["score"] == 0.123457
    assert exported(written[:2]) == "\n".join(lines[:2]) + "\n"


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    book = FeedbackBook(tmp_path)
    path = book.path("b", "f" * 64)
    threads = [
        threading.Thread(target=lambda n=n: [book.write(path, record(item=100 * n + i)) for i in range(50)])
        for n in range(8)
    ]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    numbers = sorted(json.loads(line)["id"] for line in path.read_text("utf-8").splitlines())
    assert numbers == sorted(100 * n + i for n in range(8) for i in range(50))


def test_a_file_stops_growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "MOST_BYTES", 500)
    book = FeedbackBook(tmp_path)
    path = book.path("b", "f" * 64)
    with pytest.raises(ArtifactError, match="is full"):
        for _ in range(10):
            book.write(path, record())
    assert path.stat().st_size <= 500


def test_a_name_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    book = FeedbackBook(tmp_path)
    for name in ("../../etc/passwd", "a/b", "..", "\0", "x" * 500):
        assert book.path(name, "f" * 64).parent == tmp_path


def test_a_folder_that_cannot_be_written_is_an_error_of_the_house(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    book = FeedbackBook(tmp_path / "file")
    with pytest.raises(ArtifactError, match="cannot write"):
        book.write(book.path("b", "f" * 64), record())


def test_by_default_it_lies_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    assert FeedbackBook().folder == tmp_path / "cache" / "feedback"
