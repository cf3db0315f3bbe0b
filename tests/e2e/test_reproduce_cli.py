"""luneta reproduce elip, with small checkpoints and folders of the official layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import benchmark_files as files
from luneta.cli import app
from reranking import encoder_of


def test_from_original_files_to_numbers(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def luneta(*arguments: object, status: int = 0) -> str:
        environment = {"LUNETA_CACHE": str(tmp_path / "cache"), "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
        done = CliRunner(env=environment).invoke(app, list(map(str, arguments)))
        assert done.exit_code == status, done.output
        return " ".join(done.output.split())

    nothing = luneta("reproduce", "elip")
    assert "not run: no data" in nothing
    assert "0.4561" in nothing
    assert "imagenet-r.tar (2.2 GB)" in nothing

    checkpoint = tiny_checkpoint("siglip")
    encoder = encoder_of(checkpoint)
    width = encoder.visual_prompts().width
    files.official_checkpoint(tmp_path / "elip_models/elip-s/original/x.pt", encoder.spec.embedding_dim, width)
    files.karpathy(tmp_path / "coco2014")
    files.karpathy(tmp_path / "flickr", name="dataset_flickr30k.json")
    luneta("build", "occluded-coco", files.coco(tmp_path / "coco"), "--judgements", files.judgements(tmp_path),
           "--out", "occluded")  # fmt: skip
    luneta("build", "imagenet-r", files.imagenet_r(tmp_path), "--out", "renditions")
    shown = luneta(
        "reproduce", "elip", "--variant", "elip-s", "-e", checkpoint, "--dtype", "float32", "--weights", "elip_models",
        "--coco", "coco2014", "--flickr", "flickr", "--occluded-coco", "occluded", "--imagenet-r", "renditions",
        "--json", "numbers.json",
    )  # fmt: skip
    assert "not run" not in shown
    assert "looks at 50 candidates" in shown
    assert "guessed" not in shown  # what is occluded was judged by the authors
    written = json.loads(Path("numbers.json").read_text())
    assert len(written["lines"]) == 16
    for line in written["lines"]:
        assert 0 <= line["ours"]["value"] <= 1
        if line["metric"] == "map":
            assert line["published"] is None
        else:
            assert line["within"] is None  # a few pictures and a random tower: not what was published
            assert "the encoder is" in line["unlike"]
            assert "pictures and" in line["unlike"]
    assert "not to be held against the published numbers" in " ".join(shown.split())
    luneta("reproduce", "elip", "--variant", "elip-s", "--json", "nothing.json")
    assert {line["missing"] for line in json.loads(Path("nothing.json").read_text())["lines"]} == {"no data"}
    assert "luneta build imagenet-r" in luneta(
        "reproduce", "elip", "--imagenet-r", "coco2014", "-e", checkpoint, status=2
    )
    assert "Did you mean elip-s" in luneta("reproduce", "elip", "--variant", "elip-s3", status=2)

    assert "--model is for elip-b" in luneta("reproduce", "elip", "--model", "x", status=2)
    said = luneta("reproduce", "elip", "--locale", "pt")
    assert "não rodado: sem dados" in said
    assert "0,4561" in said
    assert "imagenet-r.tar (2,2 GB)" in said
    said = luneta("reproduce", "elip", "--variant", "elip-s", "-e", checkpoint, "--flickr", "flickr", "--locale", "pt")
    assert "não se compara com os números publicados: mediram-se" in said
    assert "o script dos autores para o SigLIP olha 50 candidatas" in said
