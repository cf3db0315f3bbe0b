"""load_encoder: what a name may be, and what is said when it is nothing."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from checkpoints import sentences
from luneta import load_encoder
from luneta.encoders import presets
from luneta.encoders.registry import list_encoders
from luneta.errors import ConfigError, EncoderError
from luneta.types import Encoder, StagedEncoder

MakeCheckpoint = Callable[[str], Path]

MODULE = '''
import numpy as np
from luneta.types import EncoderSpec


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Colours:
    """Mean colour of a picture; a text's letters."""

    spec = EncoderSpec(name="colours", embedding_dim=3, fingerprint="colours-1")
    damage = staticmethod(lambda vectors: vectors)

    def encode_images(self, images):
        return self.damage(unit(np.array([np.asarray(i).reshape(-1, 3).mean(0) + 1 for i in images]).reshape(-1, 3)))

    def encode_texts(self, texts):
        return self.damage(unit(np.array([[len(t) + 1, t.count("a"), 1] for t in texts], float).reshape(-1, 3)))


class Staged(Colours):
    def prepare_image(self, image):
        return image

    def encode_prepared(self, prepared):
        return self.encode_images(prepared)


class NeedsArgument(Colours):
    def __init__(self, path):
        pass


class OnlyImages:
    spec = Colours.spec
    encode_images = Colours.encode_images


class WrongSpec(Colours):
    spec = {"name": "x"}


class Nameless(Colours):
    spec = EncoderSpec(name="", embedding_dim=3, fingerprint="")


class Shaped(Colours):
    damage = staticmethod(lambda vectors: vectors[:-1])


class Double(Colours):
    damage = staticmethod(lambda vectors: vectors.astype(np.float64))


class Listed(Colours):
    damage = staticmethod(lambda vectors: vectors.tolist())


class NotANumber(Colours):
    damage = staticmethod(lambda vectors: vectors * np.float32("nan"))


class Long(Colours):
    damage = staticmethod(lambda vectors: vectors * np.float32(17))


class LongAndStaged(Staged):
    damage = staticmethod(Long.damage)


class Nothing(Colours):
    damage = staticmethod(lambda vectors: vectors * np.float32(0))


class Whole(Colours):
    spec = EncoderSpec(name="whole", embedding_dim=np.int64(3), fingerprint="whole-1")


class Fractional(Colours):
    spec = EncoderSpec(name="fractional", embedding_dim=3.0, fingerprint="fractional-1")


class Unready(Colours):
    @property
    def spec(self):
        raise OSError("no licence")


class Neighbourly(Colours):
    def encode_texts(self, texts):
        import own_neighbour

        return super().encode_texts([own_neighbour.prefix + text for text in texts])


ready = Colours()
'''


@pytest.fixture
def own_encoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_encoders.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "own_neighbour.py").write_text("prefix = 'a photo of '\n")
    (tmp_path / "broken_encoders.py").write_text("import no_such_dependency\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # what is loaded leaves its folder there
    for name in ("own_encoders", "own_neighbour"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("own_encoders")
@pytest.mark.parametrize("name", ["own_encoders:Colours", "own_encoders:ready"])
def test_a_class_or_object_of_ones_own(name: str) -> None:
    encoder = load_encoder(name)
    assert isinstance(encoder, Encoder)
    assert not isinstance(encoder, StagedEncoder)
    assert encoder.spec.name == "colours"
    assert encoder.encode_texts(["banana", "kiwi"]).shape == (2, 3)
    assert encoder.encode_images([]).shape == (0, 3)
    assert load_encoder(encoder) is encoder


@pytest.mark.usefixtures("own_encoders")
def test_a_module_may_import_its_neighbours_when_it_needs_them() -> None:
    plain, neighbourly = load_encoder("own_encoders:Colours"), load_encoder("own_encoders:Neighbourly")
    np.testing.assert_array_equal(neighbourly.encode_texts(["cat"]), plain.encode_texts(["a photo of cat"]))
    assert sys.path.count(str(Path.cwd())) == 1


@pytest.mark.usefixtures("own_encoders")
def test_a_dimension_of_numpy() -> None:
    spec = load_encoder("own_encoders:Whole").spec
    assert (spec.embedding_dim, type(spec.embedding_dim)) == (3, int)
    assert load_encoder("own_encoders:Whole").encode_texts(["a"]).shape == (1, 3)


@pytest.mark.usefixtures("own_encoders")
def test_a_staged_class_stays_staged() -> None:
    encoder = load_encoder("own_encoders:Staged")
    assert isinstance(encoder, StagedEncoder)
    images = [Image.new("RGB", (3, 3), "red"), Image.new("RGB", (3, 3), "blue")]
    prepared = [encoder.prepare_image(image) for image in images]
    np.testing.assert_array_equal(encoder.encode_prepared(prepared), encoder.encode_images(images))


@pytest.mark.usefixtures("own_encoders")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_encoders:NeedsArgument", "without arguments"),
        ("own_encoders:OnlyImages", "no encode_texts"),
        ("own_encoders:WrongSpec", "spec is a dict"),
        ("own_encoders:Nameless", "spec.name is ''"),
        ("own_encoders:Unready", "its spec cannot be read: OSError: no licence"),
        ("own_encoders:Fractional", r"embedding_dim is 3\.0, expected a positive whole number"),
        ("broken_encoders:Any", "no_such_dependency"),
        ("json:loads", "not an encoder"),
    ],
)
def test_what_is_no_encoder(name: str, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        load_encoder(name)


@pytest.mark.usefixtures("own_encoders")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_encoders:Colour", "Did you mean Colours"),
        ("own_encoder:Colours", "no module 'own_encoder'"),
        ("siglip2-b61", "Did you mean siglip2-b16"),
        ("xyzzy", "Known: align"),
        ("", "'' names no encoder"),
        ("  ", "'  ' names no encoder"),
        ("a\0b", "names no encoder"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_encoder(name)


@pytest.mark.usefixtures("own_encoders")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Shaped", r"returned shape \(1, 3\) for 2 items; expected \(2, 3\)"),
        ("Listed", "returned a list; expected a numpy array"),
        ("NotANumber", r"returned a vector that is not finite .* for '(a|picture 1 of 2)', 2 of 2"),
        ("Nothing", "returned a vector of length 0 for '(a|picture 1 of 2)', 2 of 2"),
    ],
)
def test_an_encoder_of_ones_own_is_watched(name: str, message: str) -> None:
    encoder = load_encoder(f"own_encoders:{name}")
    with pytest.raises(EncoderError, match=f"encode_texts {message}"):
        encoder.encode_texts(["a", "b"])
    with pytest.raises(EncoderError, match=f"encode_images {message}"):
        encoder.encode_images([Image.new("RGB", (2, 2))] * 2)


@pytest.mark.usefixtures("own_encoders")
@pytest.mark.parametrize("name", ["Double", "Long", "LongAndStaged"])
def test_vectors_of_another_length_or_precision_are_brought_to_ours(name: str) -> None:
    proper, own = load_encoder("own_encoders:Colours"), load_encoder(f"own_encoders:{name}")
    pictures, texts = [Image.new("RGB", (2, 2), (9, 5, colour)) for colour in (1, 200)], ["a", "bbb"]
    found = [own.encode_texts(texts), own.encode_images(pictures)]
    if isinstance(own, StagedEncoder):
        found.append(own.encode_prepared([own.prepare_image(picture) for picture in pictures]))
    for vectors, expected in zip(
        found, [proper.encode_texts(texts), *[proper.encode_images(pictures)] * 2], strict=False
    ):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, expected, atol=1e-7)


@pytest.mark.usefixtures("own_encoders")
def test_options_that_an_own_object_cannot_take() -> None:
    with pytest.raises(ConfigError, match=r"dtype='bfloat16' cannot be given for own_encoders:Colours"):
        load_encoder("own_encoders:Colours", dtype="bfloat16")


def test_folders(tmp_path: Path, tiny_checkpoint: MakeCheckpoint) -> None:
    encoder = load_encoder(tiny_checkpoint("clip"))
    assert encoder.spec.name == str(tiny_checkpoint("clip"))
    with pytest.raises(EncoderError, match="no such folder"):
        load_encoder(tmp_path / "nothing")
    with pytest.raises(EncoderError, match=r"no config\.json"):
        load_encoder(tmp_path)
    shutil.copytree(tiny_checkpoint("clip"), tmp_path / "epoch-3")
    with pytest.raises(EncoderError, match="may be meant: epoch-3"):
        load_encoder(tmp_path)
    (tmp_path / "file.safetensors").touch()
    with pytest.raises(EncoderError, match="is a file"):
        load_encoder(tmp_path / "file.safetensors")
    with pytest.raises(ConfigError, match="has no revisions"):
        load_encoder(tiny_checkpoint("clip"), revision="main")


def test_a_bundled_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: MakeCheckpoint) -> None:
    shutil.copytree(tiny_checkpoint("siglip"), tmp_path / "luneta-mini")
    monkeypatch.setattr(presets, "WEIGHTS", tmp_path)
    encoder = load_encoder("luneta-mini")
    assert (encoder.spec.name, encoder.spec.languages) == ("luneta-mini", ("en",))
    first = list_encoders()[0]
    assert (first.name, first.n_parameters) == ("luneta-mini", encoder.spec.n_parameters)
    assert (first.embedding_dim, first.image_size) == (encoder.spec.embedding_dim, 32)
    with pytest.raises(EncoderError, match="missing from this installation"):
        load_encoder("luneta-mini-siglip")


def test_presets_are_told_apart() -> None:
    known = list_encoders()
    assert len({preset.name for preset in known}) == len(known)
    languages = {preset.name: preset.languages for preset in known}
    assert languages["siglip-b16"] == ("en",)  # a family's name says nothing about a checkpoint's languages
    assert languages["siglip-b16-multilingual"] == languages["siglip2-b16"] == ("multilingual",)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("dtype", "bfloat61", "Did you mean bfloat16"),
        ("device", "cdua", "Did you mean cuda"),
        ("device", "cuda:99", "finds none here"),
        ("batch_size", 0, "at least 1"),
        ("batch_size", 2.5, "batch_size is 2.5, expected a whole number"),
        ("batch_size", "8", "batch_size is '8', expected a whole number"),
        ("dtype", None, "dtype is None, expected a name: auto, float32"),
        ("device", None, "device is None, expected a name: auto"),
    ],
)
def test_options_that_make_no_sense(option: str, value: object, message: str, tiny_checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(ConfigError, match=message):
        load_encoder(tiny_checkpoint("clip"), **{option: value})  # type: ignore[arg-type]


@pytest.mark.usefixtures("own_encoders")
@pytest.mark.parametrize("own", [False, True], ids=["of transformers", "of one's own"])
def test_texts_must_be_a_list_of_strings(own: bool, tiny_checkpoint: MakeCheckpoint) -> None:
    encoder: Any = load_encoder("own_encoders:Colours" if own else tiny_checkpoint("clip"))
    with pytest.raises(ConfigError, match="text 1 is a list, expected a string; several captions are several texts"):
        encoder.encode_texts(["a", ["b", "c"]])
    with pytest.raises(ConfigError, match="texts is one string, expected a list of strings: a single text"):
        encoder.encode_texts("boat")
    for nothing in (None, 3, b"boat"):
        with pytest.raises(ConfigError, match=f"texts is a {type(nothing).__name__}, expected a list"):
            encoder.encode_texts(nothing)
    several = encoder.encode_texts(["a boat", "cat"])
    np.testing.assert_allclose(encoder.encode_texts(text for text in ("a boat", "cat")), several, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_texts(np.array(["a boat", "cat"])), several, atol=1e-6)


@pytest.mark.parametrize("name", ["luneta-mini", "align", "owner/name", "json:loads"])
def test_a_path_is_a_place_on_this_machine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: MakeCheckpoint
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EncoderError, match="there is no such folder"):
        load_encoder(Path(name))
    shutil.copytree(tiny_checkpoint("clip"), tmp_path / name)
    spec = load_encoder(Path(name)).spec
    assert (spec.name, spec.revision, spec.languages) == (name, None, ())
    assert spec.fingerprint == load_encoder(tiny_checkpoint("clip")).spec.fingerprint


@pytest.mark.parametrize("family", ["clip", "siglip", "siglip2", "chinese_clip"])
def test_texts_of_every_kind(family: str, tiny_checkpoint: MakeCheckpoint) -> None:
    encoder = load_encoder(tiny_checkpoint(family))
    strange = ["", "   ", "\x00", "a\ud83d", "💶" * 300, "word " * 100_000, "x" * 1_000_000, sentences()[0]]
    assert encoder.encode_texts(strange).shape == (len(strange), encoder.spec.embedding_dim)
