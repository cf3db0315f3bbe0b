"""Checkpoints that must not be used: refused, with the reason and the way out; and what makes two of them differ."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.numpy import load_file, save_file

from luneta import load_encoder
from luneta.encoders import weights
from luneta.encoders.hf import HFEncoder
from luneta.encoders.registry import list_encoders
from luneta.errors import ConfigError, EncoderError

MakeCheckpoint = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path, tiny_checkpoint: MakeCheckpoint) -> Path:
    """A CLIP checkpoint to spoil."""
    return shutil.copytree(tiny_checkpoint("clip"), tmp_path / "checkpoint")


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_weights(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def refused(folder: Path, message: str, **options: Any) -> str:
    with pytest.raises(EncoderError, match=message) as caught:
        load_encoder(folder, **options)
    return str(caught.value)


# -- weights ---------------------------------------------------------------------------------------------------


def test_pickled_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "save_pretrained('converted')" in refused(folder, "only as pytorch_model.bin")


def test_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    refused(folder, "holds no weights")


@pytest.mark.parametrize("tower", ["text_model.", "vision_model."])
def test_a_tower_that_is_not_there(folder: Path, tower: str) -> None:
    """Random weights in its place would compute, and mean nothing."""

    def drop(tensors: dict[str, Any]) -> None:
        for key in [key for key in tensors if key.startswith(tower)]:
            del tensors[key]

    change_weights(folder, drop)
    assert tower in refused(folder, "are missing and would be random")


def test_one_missing_weight(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors.pop("text_projection.weight"))
    refused(folder, r"1 weights .* missing .* text_projection\.weight")


def test_a_weight_of_another_shape(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors.update({"text_projection.weight": np.zeros((24, 31), np.float32)}))
    refused(folder, r"text_projection\.weight is \[24, 31\], expected \[24, 32\]")


def test_more_layers_than_the_configuration_has(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    change_json(folder / "config.json", vision_config=config["vision_config"] | {"num_hidden_layers": 1})
    refused(folder, r"tensors that config\.json has no place for: .*layers\.1\.")


@pytest.mark.parametrize("key", ["text_model.extra_norm.weight", "adapter.weight", "vision_model.pooler.dense.weight"])
def test_a_weight_with_no_place(folder: Path, key: str) -> None:
    change_weights(folder, lambda tensors: tensors.update({key: np.ones((32, 32), np.float32)}))
    refused(folder, rf"hold 1 tensors that config\.json has no place for: {re.escape(key)}")


@pytest.mark.parametrize(
    ("family", "key"),
    [
        ("clip", "text_model.embeddings.position_ids"),
        ("siglip", "vision_model.embeddings.position_ids"),
        ("align", "text_model.pooler.dense.weight"),
        ("altclip", "text_model.roberta.embeddings.token_type_ids"),
        ("altclip", "text_model.roberta.pooler.dense.weight"),
        ("chinese_clip", "text_model.pooler.dense.weight"),
    ],
)
def test_leftovers_that_no_vector_depends_on(
    family: str, key: str, tmp_path: Path, tiny_checkpoint: MakeCheckpoint
) -> None:
    folder = shutil.copytree(tiny_checkpoint(family), tmp_path / "checkpoint")
    shape, kind = ((32, 32), np.float32) if key.endswith("weight") else ((1, 32), np.int64)
    change_weights(folder, lambda tensors: tensors.update({key: np.zeros(shape, kind)}))
    text = ["a red boat"]
    theirs = load_encoder(tiny_checkpoint(family), dtype="float32").encode_texts(text)
    np.testing.assert_allclose(load_encoder(folder, dtype="float32").encode_texts(text), theirs, atol=1e-6)


def test_weights_that_the_configuration_fetches_from_elsewhere(folder: Path) -> None:
    """The library would load them, under the fingerprint of those that are not loaded."""
    shutil.copy(folder / "model.safetensors", folder / "other.safetensors")
    change_json(folder / "config.json", transformers_weights="other.safetensors")
    assert "take the key out" in refused(folder, r"weights in 'other\.safetensors' \(transformers_weights\)")


def test_an_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    assert "merge_and_unload" in refused(folder, "holds an adapter")


@pytest.mark.parametrize("keep", [0, 3, 2000, -1000])
def test_a_truncated_file(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    refused(folder, "truncated or corrupt")


def test_a_file_of_noise(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(np.random.default_rng(0).bytes(5000))
    refused(folder, "truncated or corrupt")


def test_weights_that_are_not_numbers(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors["text_projection.weight"].fill(np.nan))
    refused(folder, "text vectors are not finite .* weights are damaged", dtype="float32")


def test_weights_too_large_for_half_precision(folder: Path) -> None:
    def enlarge(tensors: dict[str, Any]) -> None:
        tensors["text_projection.weight"] *= 1e6

    change_weights(folder, enlarge)
    load_encoder(folder, dtype="float32")
    refused(folder, r"not finite .* in float16. Try dtype='float32'", dtype="float16")


def test_towers_of_different_spaces(tmp_path: Path, tiny_checkpoint: MakeCheckpoint) -> None:
    from transformers import AlignConfig, AlignModel

    folder = shutil.copytree(tiny_checkpoint("align"), tmp_path / "align")
    config = AlignConfig.from_pretrained(folder)
    config.projection_dim = 20
    AlignModel(config).save_pretrained(folder)
    refused(folder, "picture vectors have 32 numbers and text vectors 20")


def test_shards(folder: Path, tiny_checkpoint: MakeCheckpoint) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    keys = sorted(tensors)
    halves = {"model-00001-of-00002.safetensors": keys[::2], "model-00002-of-00002.safetensors": keys[1::2]}
    for name, part in halves.items():
        save_file({key: tensors[key] for key in part}, folder / name, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {key: name for name, part in halves.items() for key in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    whole = load_encoder(tiny_checkpoint("clip")).encode_texts(["a red boat"])
    np.testing.assert_allclose(load_encoder(folder).encode_texts(["a red boat"]), whole, atol=1e-6)
    (folder / "model-00002-of-00002.safetensors").unlink()
    refused(folder, r"not there: model-00002-of-00002\.safetensors")


# -- everything else -------------------------------------------------------------------------------------------


def test_code_of_its_own(folder: Path) -> None:
    change_json(folder / "config.json", model_type="other_clip", auto_map={"AutoModel": "modeling.OtherModel"})
    assert "package.module:Class" in refused(folder, "brings code of its own")


def test_a_model_of_another_type(folder: Path) -> None:
    change_json(folder / "config.json", model_type="siglip3")
    refused(folder, "'siglip3', which has no image and text tower .* Did you mean siglip")
    change_json(folder / "config.json", model_type=None)
    refused(folder, "Known: clip")


def test_configuration_that_is_not_readable(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "cl')
    refused(folder, "not readable JSON")
    (folder / "config.json").write_text("[1]")
    refused(folder, "holds a list")


def test_no_recipe_for_pictures(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    refused(folder, "how its pictures are prepared")


@pytest.mark.parametrize(
    "changes",
    [
        {"do_center_crop": False},
        {"size": {"shortest_edge": 40}, "crop_size": {"height": 40, "width": 40}},
        {"size": {"shortest_edge": 0}},
    ],
    ids=["as wide as they come", "larger than the model reads", "nothing left"],
)
def test_pictures_that_do_not_fit_the_model(folder: Path, changes: dict[str, Any]) -> None:
    change_json(folder / "preprocessor_config.json", **changes)
    assert "image_size in config.json" in refused(folder, "a picture prepared .* does not go through its model")


def test_pictures_that_do_not_fit_one_batch(tmp_path: Path, tiny_checkpoint: MakeCheckpoint) -> None:
    """A convolutional tower takes any one picture; what fails is two of different shapes together."""
    folder = shutil.copytree(tiny_checkpoint("align"), tmp_path / "checkpoint")
    recipe = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 40}, "do_center_crop": False}
    change_json(folder / "preprocessor_config.json", **recipe)
    assert "do_center_crop" in refused(folder, "a picture prepared .* does not go through its model .ValueError")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_mean": [1, 2]}, r"image_mean is .*, expected three numbers\. Fetch"),
        ({"image_std": [0, 0, 0]}, "image_std is .*, expected three numbers above 0"),
        ({"image_std": "wide"}, "cannot be read or used"),
        ({"size": "big"}, "cannot be read or used"),
        ({"image_processor_type": "Unheard"}, "cannot be read or used"),
    ],
)
def test_a_recipe_for_pictures_that_makes_no_sense(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_json(folder / "preprocessor_config.json", **changes)
    refused(folder, message)


@pytest.mark.parametrize("content", ["[]", "{", "7"])
def test_a_damaged_recipe_for_pictures(folder: Path, content: str) -> None:
    (folder / "preprocessor_config.json").write_text(content)
    refused(folder, r"\(preprocessor_config\.json\) cannot be read or used")


@pytest.mark.parametrize("tower", ["text_config", "vision_config"])
@pytest.mark.parametrize("value", ["x", 3, [1]])
def test_a_configuration_that_makes_no_sense(folder: Path, tower: str, value: object) -> None:
    change_json(folder / "config.json", **{tower: value})
    refused(folder, "cannot build a CLIPModel from its config.json")


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_a_context_without_room_for_a_word(folder: Path, limit: int) -> None:
    change_json(folder / "tokenizer_config.json", model_max_length=limit)
    refused(folder, f"may have {limit} tokens, which leaves no room for a word")


def test_no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    refused(folder, "tokenizer")


def test_a_tokenizer_of_another_model(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    change_json(folder / "config.json", text_config=config["text_config"] | {"eos_token_id": 5})
    refused(folder, r"ends a text with id \d+, but the model reads the text's vector at id 5")


def test_tokens_added_above_the_end_token(folder: Path) -> None:
    """The oldest CLIP checkpoints pool at the highest id: another token up there would be pooled instead."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<added>"])
    tokenizer.save_pretrained(folder)
    refused(folder, "tokenizer has .* tokens, but the model embeds only")
    change_weights(
        folder,
        lambda tensors: tensors.update(
            {"text_model.embeddings.token_embedding.weight": np.zeros((len(tokenizer), 32), np.float32)}
        ),
    )
    config = json.loads((folder / "config.json").read_text())
    text = config["text_config"] | {"vocab_size": len(tokenizer), "eos_token_id": 2}
    change_json(folder / "config.json", text_config=text)
    refused(folder, "is not the highest of .* tokens were added")


# -- the fingerprint -------------------------------------------------------------------------------------------


def fingerprint(folder: Path, **options: Any) -> str:
    return load_encoder(folder, dtype=options.pop("dtype", "float32"), **options).spec.fingerprint


def test_a_fingerprint_is_of_the_content(folder: Path, tiny_checkpoint: MakeCheckpoint) -> None:
    before = fingerprint(tiny_checkpoint("clip"))
    assert fingerprint(folder) == before, "another place"
    (folder / "README.md").write_text("hello")
    change_json(folder / "config.json", transformers_version="4.0.0", _name_or_path="elsewhere")
    assert fingerprint(folder, batch_size=2) == before, "nothing that decides a vector"


@pytest.mark.parametrize("what", ["weights", "config", "pictures", "tokenizer", "dtype"])
def test_a_fingerprint_changes_with(what: str, folder: Path) -> None:
    before, options = fingerprint(folder), {}
    if what == "weights":
        change_weights(folder, lambda tensors: tensors["logit_scale"].fill(1))
    elif what == "config":
        config = json.loads((folder / "config.json").read_text())
        change_json(folder / "config.json", vision_config=config["vision_config"] | {"hidden_act": "gelu"})
    elif what == "pictures":
        change_json(folder / "preprocessor_config.json", resample=2)
    elif what == "tokenizer":
        change_json(folder / "tokenizer_config.json", model_max_length=20)
    else:
        options["dtype"] = "bfloat16"
    assert fingerprint(folder, **options) != before


def test_details_say_what_it_is_made_from(tiny_checkpoint: MakeCheckpoint) -> None:
    details = load_encoder(tiny_checkpoint("siglip")).spec.details
    assert details["text"]["padding"] == "whole context"
    assert details["text"]["attention_mask"] is False
    assert details["image"]["by"] == "luneta"
    assert json.loads(json.dumps(details))["model_type"] == "siglip"


def test_large_files_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_REMEMBER_ABOVE", 0)
    read: list[Path] = []
    hash_file = weights.hash_file
    monkeypatch.setattr(weights, "hash_file", lambda path: read.append(path) or hash_file(path))
    path = tmp_path / "weights"
    path.write_bytes(b"first")
    first = weights.digest(path)
    assert weights.digest(path) == first == hash_file(path)
    assert len(read) == 1
    path.write_bytes(b"other!")
    assert weights.digest(path) == hash_file(path) != first
    (tmp_path / "cache" / "file-hashes.json").write_text("[oops")
    assert weights.digest(path) == hash_file(path)


# -- the hub, without one --------------------------------------------------------------------------------------


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_hub_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: MakeCheckpoint) -> None:
    snapshot = shutil.copytree(tiny_checkpoint("clip"), tmp_path / COMMIT)
    asked: list[tuple[str, str | None]] = []

    def snapshot_download(repository: str, *, revision: str | None, **_: Any) -> str:
        asked.append((repository, revision))
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    spec = load_encoder("clip-b32").spec
    assert (spec.name, spec.revision, spec.languages) == ("clip-b32", COMMIT, ("en",))
    assert load_encoder("someone/model", revision="v2").spec.languages == ()
    assert load_encoder("Google/SigLIP-base-patch16-224").spec.languages == ("en",)
    assert asked == [
        ("openai/clip-vit-base-patch32", next(p.revision for p in list_encoders() if p.name == "clip-b32")),
        ("someone/model", "v2"),
        ("google/siglip-base-patch16-224", None),
    ]


@pytest.mark.parametrize("revision", ["v2", "refs/pr/15", COMMIT])
def test_a_revision_as_part_of_the_name(
    revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: MakeCheckpoint
) -> None:
    """The command line has one option for an encoder, and several encoders have several revisions."""
    snapshot = shutil.copytree(tiny_checkpoint("clip"), tmp_path / COMMIT)
    asked: list[tuple[str, str | None]] = []

    def snapshot_download(repository: str, *, revision: str | None, **_: Any) -> str:
        asked.append((repository, revision))
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    spec = load_encoder(f"someone/model@{revision}").spec
    assert (spec.name, spec.revision) == (f"someone/model@{revision}", COMMIT)
    assert load_encoder(f"siglip-b16@{revision}", revision=revision).spec.languages == ("en",)
    assert asked == [("someone/model", revision), ("google/siglip-base-patch16-224", revision)]
    with pytest.raises(ConfigError, match="keep one"):
        load_encoder(f"someone/model@{revision}", revision="main")
    with pytest.raises(ConfigError, match="no revision after its @"):
        load_encoder("someone/model@")
    with pytest.raises(ConfigError, match="is a folder and has no revisions"):
        load_encoder(f"{tmp_path}/{COMMIT}@{revision}")
    with pytest.raises(ConfigError, match="unknown encoder"):
        load_encoder(f"no-such-preset@{revision}")
    monkeypatch.chdir(tmp_path)
    named = shutil.copytree(tiny_checkpoint("clip"), tmp_path / "someone" / f"model@{revision}")
    assert load_encoder(f"someone/model@{revision}").spec.revision is None, f"{named} is a folder"


def test_presets_of_the_hub_are_pinned_to_commits_or_not_at_all() -> None:
    """A reference such as refs/pr/66 can be moved under the same name."""
    pinned = [preset.revision for preset in list_encoders() if preset.revision is not None]
    assert pinned
    assert all(re.fullmatch("[0-9a-f]{40}", revision) for revision in pinned)


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(EncoderError, match="hf download someone/model --local-dir FOLDER"):
        load_encoder("someone/model")


def test_a_hub_checkpoint_with_pickles_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, and when the hub's bot has proposed a conversion, that is the way out."""

    class Discussion:
        def __init__(self, num: int, title: str, status: str) -> None:
            self.num, self.title, self.status = num, title, status

    class Api:
        def __init__(self, token: Any) -> None:
            pass

        def list_repo_files(self, *_: Any, **__: Any) -> list[str]:
            return ["config.json", "pytorch_model.bin", "onnx/model.bin"]

        def get_repo_discussions(self, *_: Any, author: str, **__: Any) -> list[Discussion]:
            assert author == "SFconvertbot"
            title = "Adding `safetensors` variant of this model"
            return [Discussion(3, "Something else", "open"), Discussion(15, title, "open")]

    snapshot = tmp_path / COMMIT
    snapshot.mkdir()
    (snapshot / "config.json").write_text('{"model_type": "clip"}')
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(snapshot))
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    with pytest.raises(
        EncoderError, match=r"only as pytorch_model\.bin\. .* at someone/model@refs/pr/15: load that name"
    ):
        load_encoder("someone/model")


def test_the_library_is_quiet(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert isinstance(load_encoder(folder), HFEncoder)
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
