"""The text tower without its encoder: what it imports, what it refuses, and that batches change nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tokenizers import AddedToken

import checkpoints
from checkpoints import random_texts
from luneta.artifacts import hash_file
from luneta.encoders import exporting
from luneta.encoders.inputs import clean_text
from luneta.encoders.light import BATCH, MODEL, PIECES, RECORD, TOKENIZER, WEIGHTS, LightTextEncoder
from luneta.encoders.light_tokens import PieceReader, PieceRules
from luneta.errors import ArtifactError, ConfigError, EncoderError
from luneta.types import EncoderSpec

HEAVY = ("torch", "transformers", "pyarrow", "faiss", "PIL", "onnx", "datasets", "huggingface_hub", "safetensors")


@pytest.fixture
def tower(exported: Callable[[str], Any], tmp_path: Path) -> Callable[[str], Path]:
    """`tower(family)` -> a copy of an exported tower, to be spoilt."""
    return lambda family="clip": Path(shutil.copytree(exported(family).folder, tmp_path / family))


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Another content under the right hash."""
    (folder / name).write_bytes(content)
    record = json.loads((folder / RECORD).read_text())
    record["files"][name] = hash_file(folder / name)
    (folder / RECORD).write_text(json.dumps(record))


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_a_query_loads_no_heavy_library(family: str, tower: Callable[[str], Path]) -> None:
    program = (
        "import sys\n"
        "from luneta.encoders.light import LightTextEncoder\n"
        "encoder = LightTextEncoder.load(sys.argv[1])\n"
        "vectors = encoder.encode_texts(['a red boat'])\n"
        "assert vectors.shape == (1, encoder.spec.embedding_dim) and encoder.n_truncated(['a']) == 0\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )

    done = subprocess.run([sys.executable, "-c", program, tower(family)], capture_output=True, text=True, check=True)

    loaded = set(done.stdout.split())
    assert {"numpy", "onnxruntime", "luneta"} <= loaded
    assert loaded.isdisjoint(HEAVY)
    assert done.stderr == ""


def test_its_spec_is_the_encoder_s_but_for_where_it_runs(exported: Callable[[str], Any]) -> None:
    made = exported("clip")
    spec, theirs = LightTextEncoder.load(made.folder).spec, made.encoder.spec

    assert isinstance(spec, EncoderSpec)
    assert (spec.embedding_dim, spec.fingerprint) == (theirs.embedding_dim, theirs.fingerprint)
    assert spec.name == Path(theirs.name).name
    assert (spec.backend, spec.dtype, spec.device) == ("onnxruntime", "float32", "cpu")


@pytest.mark.parametrize("family", ["clip", "align"])
def test_neither_batch_nor_order_changes_a_vector(family: str, exported: Callable[[str], Any]) -> None:
    light = LightTextEncoder.load(exported(family).folder)
    texts = [" ".join(["boat"] * (i * 7 % 23)) + f" {i}" for i in range(2 * BATCH + 5)]

    vectors = light.encode_texts(texts)

    np.testing.assert_allclose(vectors[::-1], light.encode_texts(texts[::-1]), atol=2e-6)
    np.testing.assert_allclose(vectors[40:41], light.encode_texts([texts[40]]), atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01


def test_threads_share_it(exported: Callable[[str], Any]) -> None:
    light = LightTextEncoder.load(exported("clip").folder)
    texts = [f"{i} red boats" for i in range(8)]
    expected = [light.encode_texts([text]) for text in texts]
    wrong: list[int] = []

    def ask(i: int) -> None:
        found = [np.array_equal(light.encode_texts([texts[i]]), expected[i]) for _ in range(50)]
        cut = [light.n_truncated(["boat " * 99, texts[i]]) == 1 for _ in range(50)]
        wrong.append((found + cut).count(False))

    askers = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()

    assert wrong == [0] * 8


def test_no_texts_are_no_vectors_and_other_things_are_refused(exported: Callable[[str], Any]) -> None:
    light = LightTextEncoder.load(exported("clip").folder)

    assert light.encode_texts([]).shape == (0, light.spec.embedding_dim)
    assert light.n_truncated([]) == 0
    with pytest.raises(ConfigError, match="one string"):
        light.encode_texts("a red boat")
    with pytest.raises(ConfigError, match="text 1 is a int"):
        light.n_truncated(["a", 3])  # type: ignore[list-item]


@pytest.mark.parametrize("keeps_spaces", [False, True])
def test_pieces_are_read_as_the_library_s_siglip_tokenizer_reads_them(keeps_spaces: bool, tmp_path: Path) -> None:
    import sentencepiece
    from transformers import SiglipTokenizer

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(checkpoints.sentences() * 3), model_prefix=str(tmp_path / "spiece"), vocab_size=260,
        hard_vocab_limit=False, minloglevel=2, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
        remove_extra_whitespaces=not keeps_spaces,
    )  # fmt: skip
    theirs = SiglipTokenizer(str(tmp_path / "spiece.model"), model_max_length=12)
    theirs.add_tokens([AddedToken("<red"), AddedToken("<red>", lstrip=True, rstrip=True)])
    rules = PieceRules(1, "<unk>", exporting.added_tokens(theirs))
    ours = PieceReader(tmp_path / "spiece.model", rules, context=12)
    texts = [clean_text(text, lowers=True) for text in random_texts([*rules.added, "</s>red", " <red> "], n=800)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an end token in a text
        expected = theirs(texts, truncation=True, max_length=12)["input_ids"]
        whole = theirs(texts, verbose=False)["input_ids"]

    assert [tokens.ids for tokens in ours.read(texts)] == expected
    assert [tokens.truncated for tokens in ours.read(texts)] == [len(ids) > 12 for ids in whole]


def test_large_weights_lie_in_a_file_of_their_own(
    tower: Callable[[str], Path], exported: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx_ir

    folder = tower("clip")
    monkeypatch.setattr(exporting, "EXTERNAL_ABOVE", 0)
    exporting._save(onnx_ir.load(exported("clip").folder / MODEL), folder / MODEL)
    for name in (MODEL, WEIGHTS):
        rewrite(folder, name, (folder / name).read_bytes())

    vectors = LightTextEncoder.load(folder).encode_texts(["a red boat"])

    assert (folder / MODEL).stat().st_size < (folder / WEIGHTS).stat().st_size
    np.testing.assert_array_equal(vectors, LightTextEncoder.load(exported("clip").folder).encode_texts(["a red boat"]))

    (folder / WEIGHTS).unlink()
    with pytest.raises(ArtifactError, match=rf"{WEIGHTS} cannot be read \(No such file"):
        LightTextEncoder.load(folder)


def test_a_warmed_tower_gives_the_same_vectors(exported: Callable[[str], Any]) -> None:
    light = LightTextEncoder.load(exported("clip").folder)
    before, session = light.encode_texts(["a red boat", ""]), light._session

    light.warm()

    np.testing.assert_allclose(light.encode_texts(["a red boat", ""]), before, atol=2e-6)
    setting = "session.disable_prepacking"
    assert session.get_session_options().get_session_config_entry(setting) == "1"
    with pytest.raises(RuntimeError, match=setting):
        light._session.get_session_options().get_session_config_entry(setting)


# -- damaged ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [MODEL, TOKENIZER])
def test_a_changed_or_missing_file_is_named(name: str, tower: Callable[[str], Path]) -> None:
    folder = tower("clip")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(ArtifactError, match=rf"{name} is damaged or of another export"):
        LightTextEncoder.load(folder)

    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{name} cannot be read"):
        LightTextEncoder.load(folder)


def test_the_tokenizer_of_another_tower_is_noticed(tower: Callable[[str], Path]) -> None:
    clip, align = tower("clip"), tower("align")
    shutil.copyfile(align / TOKENIZER, clip / TOKENIZER)

    with pytest.raises(ArtifactError, match=f"{TOKENIZER} is damaged or of another export"):
        LightTextEncoder.load(clip)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record.update(schema="luneta.text_tower/2"), "schema is 'luneta.text_tower/2'"),
        (lambda record: record.pop("texts"), "KeyError: 'texts'"),
        (lambda record: record["texts"].pop("context"), "context"),
        (lambda record: record["texts"].update(context=0), "texts.context is 0"),
        (lambda record: record["texts"].update(lowers="no"), "texts.lowers is 'no'"),
        (lambda record: record["texts"].update(more=1), "more"),
        (lambda record: record["texts"].update(pieces={"end": 1}), "KeyError"),
        (lambda record: record["encoder"].update(embedding_dim="24"), "embedding_dim"),
        (lambda record: record["files"].update({"../other": "0"}), r"files are .*\.\./other"),
        (lambda record: record["files"].pop(MODEL), "files are"),
    ],
)  # fmt: skip
def test_a_record_of_another_kind_is_refused(
    change: Callable[[Any], Any], said: str, tower: Callable[[str], Path]
) -> None:
    folder = tower("clip")
    record = json.loads((folder / RECORD).read_text())
    change(record)
    (folder / RECORD).write_text(json.dumps(record))

    with pytest.raises(ArtifactError, match=f"{RECORD} is not the record of a text tower .*{said}"):
        LightTextEncoder.load(folder)


@pytest.mark.parametrize("content", ["[]", "3", "{}", '{"schema": "luneta.text_tower/1", "encoder": null}', "{", ""])
def test_a_record_that_is_none_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(content)

    with pytest.raises(ArtifactError, match=RECORD):
        LightTextEncoder.load(tmp_path)


def test_a_folder_without_a_tower_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=f"no such file: .*{RECORD}"):
        LightTextEncoder.load(tmp_path)


@pytest.mark.parametrize(
    ("family", "name", "library"),
    [
        ("clip", MODEL, "ONNX Runtime"),
        ("clip", TOKENIZER, "the tokenizers library"),
        ("siglip", PIECES, "sentencepiece"),
    ],
)
def test_what_a_library_does_not_take_is_said(
    family: str, name: str, library: str, tower: Callable[[str], Path]
) -> None:
    folder = tower(family)
    rewrite(folder, name, b"no such thing")

    with pytest.raises(ArtifactError, match=f"{name} cannot be read by {library}"):
        LightTextEncoder.load(folder)


def test_vectors_that_are_no_numbers_are_refused(tower: Callable[[str], Path]) -> None:
    folder = tower("clip")
    model = onnx.load(folder / MODEL)
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 2 and tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(np.full(tensor.dims, np.nan, np.float32), tensor.name))
    rewrite(folder, MODEL, model.SerializeToString())

    with pytest.raises(EncoderError, match="2 of 2 text vectors are not finite"):
        LightTextEncoder.load(folder).encode_texts(["a red boat", "two dogs"])
