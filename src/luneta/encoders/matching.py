"""Cross-encoders that are checkpoints of transformers: BLIP-2 for image-text matching (Li et al., 2023).

A picture is read once, whatever the text. From what its tower makes of it come two scores of a text:

- contrastive (ITC): the largest cosine of the text's vector and the vectors of the picture's query tokens;
- matching (ITM): the Q-Former reads text and picture together, and a head says from the mean over the query tokens
  whether they belong together: two logits.

There is a vector for each query token and none for the picture: what is the largest of many cosines is no one cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from luneta.artifacts import hash_json
from luneta.encoders.checkpoints import Checkpoint
from luneta.encoders.hf import effective, image_preparation, minor_version
from luneta.encoders.outputs import unit_vectors
from luneta.encoders.precision import lower_matrices, mixed, resolve_device, resolve_dtype, threads_for
from luneta.encoders.texts import TextPreparation
from luneta.encoders.weights import digest, load_model
from luneta.errors import ConfigError, EncoderError, LunetaError, did_you_mean
from luneta.types import EncoderSpec, MatchingTower, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

COUNTS = ("probability", "logit")
"""What of matching is added to the contrastive score."""

_PICTURES = {"cpu": 16, "cuda": 64, "mps": 16}
_TEXTS = {"cpu": 64, "cuda": 512, "mps": 64}
_PAIRS = {"cpu": 32, "cuda": 128, "mps": 32}

Read = tuple[str, NDArray[np.float32]]
"""A text and (dim,) its unit vector."""

Seen = tuple[Tensor, Tensor]
"""(n_tokens, width) of a picture's tower, and (n_queries, dim) unit vectors of its query tokens."""


class HFMatcher:
    """BLIP-2's image-text matching with the preprocessing of its checkpoint; a `CrossEncoder` and a `Matcher`.

    Attributes:
        spec: what it is; the scale and bias are those of its matching logit.
        weight: how much matching counts beside the contrastive score.
        counts: of matching, "probability" or "logit".
    """

    kind = "itm"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        dtype: str = "auto",
        device: str = "auto",
        weight: float = 1.0,
        counts: str = "probability",
    ) -> None:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1000:
            raise ConfigError(f"weight is {weight!r}, expected how much matching counts: 0 or more, 1 for as it is")
        if counts not in COUNTS:
            raise ConfigError(f"unknown counts {counts!r}. {did_you_mean(str(counts), COUNTS)}")
        self.weight, self.counts = float(weight), counts
        self.device = resolve_device(device)
        self.dtype = resolve_dtype(dtype, self.device)
        model = load_model(checkpoint)
        self._checkpoint = checkpoint
        self._images, self._texts = image_preparation(checkpoint), _text_preparation(checkpoint, model.config)
        self._n_words = int(model.config.qformer_config.vocab_size)
        if self.dtype != "float32":
            lower_matrices(model.vision_model, self.dtype)  # the Q-Former is computed in float32 always
        self.model = model.to(self.device)
        self.spec = self._describe(checkpoint)
        self._probe()

    def __repr__(self) -> str:
        return f"HFMatcher({self.name!r}, weight={self.weight:g}, dtype={self.dtype!r}, device={str(self.device)!r})"

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def fingerprint(self) -> str:
        return self.spec.fingerprint

    @property
    def options(self) -> dict[str, Any]:
        """What it was loaded with beside its name, as `load_cross_encoder` takes it."""
        return {"weight": self.weight, "counts": self.counts}

    # -- pictures ----------------------------------------------------------------------------------------------

    def prepare_image(self, image: Image) -> Any:
        """One RGB picture -> resized, cropped bytes. Safe in any thread, and starts none.

        Raises:
            ShapeError: not an RGB picture.
        """
        return self._images.prepare(image)

    @torch.inference_mode()
    def look(self, prepared: Sequence[Any]) -> list[Seen]:
        """What `prepare_image` gave -> what `score` takes: all that does not depend on the text."""
        size, found = _PICTURES[self.device.type], list[Seen]()
        for low in range(0, len(prepared), size):
            states = self.finished(self.begun(prepared[low : low + size]))
            pairs = zip(states, self.query_vectors(states), strict=True)
            found += [(own.clone(), vectors.clone()) for own, vectors in pairs]  # one may go and the others stay
        return found

    def begun(self, prepared: Sequence[Any]) -> Tensor:
        """(n, n_tokens, width) before the first block of the image tower."""
        inputs = {name: tensor.to(self.device) for name, tensor in self._images.collate(prepared).items()}
        with threads_for(self.model, self.device), mixed(self.dtype, self.device):
            states: Tensor = self.model.vision_model.embeddings(**inputs)
        return states.float()

    def finished(self, states: Tensor, block: int = 0) -> Tensor:
        """(n, n_tokens, width) before a block -> after the tower's end."""
        tower = self.model.vision_model
        with threads_for(self.model, self.device), mixed(self.dtype, self.device):
            for layer in tower.encoder.layers[block:]:
                states = layer(states)
            ended: Tensor = tower.post_layernorm(states)
        return ended.float()

    def query_vectors(self, states: Tensor) -> Tensor:
        """(n, n_tokens, width) of pictures -> (n, n_queries, dim) unit vectors."""
        with threads_for(self.model, self.device):
            queries = self.model.query_tokens.expand(len(states), -1, -1)
            seen = self.model.qformer(query_embeds=queries, encoder_hidden_states=states).last_hidden_state
            return normalize(self.model.vision_projection(seen), dim=-1)

    # -- texts -------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Strings -> (n, dim) float32 unit vectors of the contrastive score, in the order given.

        Raises:
            ConfigError: something that is not a string.
            EncoderError: a vector is not finite or has no length.
        """
        if not len(texts):
            return np.empty((0, self.spec.embedding_dim), dtype=np.float32)
        found = []
        for low in range(0, len(texts), _TEXTS[self.device.type]):
            ids, mask = self.tokens(texts[low : low + _TEXTS[self.device.type]])
            with threads_for(self.model, self.device):
                words = self.model.embeddings(input_ids=ids)
                read = self.model.qformer(query_embeds=words, query_length=0, attention_mask=mask).last_hidden_state
                found.append(self.model.text_projection(read[:, 0]).float().cpu().numpy())
        return unit_vectors(np.concatenate(found), list(texts), self.spec, "encode_texts")

    def read(self, texts: Sequence[str]) -> list[Read]:
        """Strings -> what `score` takes: all that does not depend on the picture."""
        return list(zip(texts, self.encode_texts(texts), strict=True))

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(n, length) int64 ids and mask."""
        inputs = self._texts.collate(self._texts.token_ids(texts))
        ids, unknown = inputs["input_ids"], int(self._texts.tokenizer.unk_token_id)
        # the token that stands for a picture has no row in the table of words
        return ids.masked_fill(ids >= self._n_words, unknown).to(self.device), inputs["attention_mask"].to(self.device)

    # -- both --------------------------------------------------------------------------------------------------

    def contrastive(self, texts: Tensor, queries: Tensor) -> Tensor:
        """(n_pairs, dim) of texts, (n_pairs, n_queries, dim) of pictures -> (n_pairs,) the largest cosine of each."""
        return (queries @ texts.to(self.device)[:, :, None]).squeeze(2).amax(dim=1)

    def logits(self, states: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """(n_pairs, 2): does not belong together, does; differentiable in the pictures' states.

        Args:
            states: (n_pairs, n_tokens, width) of pictures.
            ids, mask: (n_pairs, length) of texts.
        """
        with threads_for(self.model, self.device):
            queries = self.model.query_tokens.expand(len(states), -1, -1)
            n = queries.shape[1]
            read = self.model.qformer(
                query_embeds=self.model.embeddings(input_ids=ids, query_embeds=queries), query_length=n,
                attention_mask=torch.cat([mask.new_ones(len(mask), n), mask], dim=1), encoder_hidden_states=states,
            ).last_hidden_state  # fmt: skip
            logits: Tensor = self.model.itm_head(read[:, :n]).mean(dim=1)
        return logits

    def combined(self, contrastive: Tensor, logits: Tensor) -> Tensor:
        """(n_pairs,) both scores in one, from (n_pairs,) cosines and (n_pairs, 2) logits."""
        matching = logits.softmax(dim=1)[:, 1] if self.counts == "probability" else logits[:, 1]
        return contrastive + self.weight * matching

    @torch.inference_mode()
    def score(self, texts: Sequence[Read], pictures: Sequence[Seen]) -> Any:
        """n texts as `read` gives them, n pictures as `look` does -> (n,) float32: contrastive + weight x matching."""
        size, found = _PAIRS[self.device.type], [np.empty(0, dtype=np.float32)]
        for low in range(0, len(texts), size):
            part = slice(low, low + size)
            words, vectors = zip(*texts[part], strict=True)
            states, queries = (torch.stack(parts) for parts in zip(*pictures[part], strict=True))
            cosines = self.contrastive(torch.from_numpy(np.stack(vectors)), queries)
            found.append(self.combined(cosines, self.logits(states, *self.tokens(words))).cpu().numpy())
        return np.concatenate(found)

    def visual_prompts(self, insert_layer: int = 0, *, keep_prompts: bool = False) -> MatchingTower:
        """The image tower with room for prompts, sharing this model's weights; for `luneta.train_elip`.

        Args:
            insert_layer: the block before which prompts come in; negative numbers count from the end.
            keep_prompts: there is no such way here: the Q-Former reads the picture's own tokens.

        Raises:
            ConfigError: the tower has no such block, or prompts are to be kept.
        """
        from luneta.encoders.matching_prompts import HFMatchingTower
        from luneta.encoders.prompting import Setting

        if keep_prompts:
            raise ConfigError(f"keep_prompts: {self.name} drops prompts before its Q-Former reads the picture")
        setting = Setting(self._checkpoint.family, self._images, self.dtype, self.device)
        return HFMatchingTower(self, setting, insert_layer)

    # -- what it is --------------------------------------------------------------------------------------------

    def _describe(self, checkpoint: Checkpoint) -> EncoderSpec:
        ingredients = {
            "model_type": checkpoint.family.model_type,
            "weights": [digest(path) for path in checkpoint.weights],
            "config": hash_json([effective(checkpoint.config), self.weight, self.counts]),
            "image": self._images.details,
            "text": self._texts.details,
            "dtype": self.dtype,
            "transformers": minor_version(),
        }
        return EncoderSpec(
            name=checkpoint.name,
            embedding_dim=int(self.model.config.image_text_hidden_size),
            fingerprint=hash_json(ingredients),
            revision=checkpoint.revision,
            backend="transformers",
            dtype=self.dtype,
            device=str(self.device),
            n_parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            logit_scale=1.0,  # cross-entropy over two logits is the sigmoid loss of their difference
            logit_bias=0.0,
            details={**ingredients, "torch": torch.__version__},
        )

    def _probe(self) -> None:
        """A picture and a text go through, or the checkpoint is no good.

        Raises:
            EncoderError: they do not.
        """
        from PIL import Image

        images = [Image.new("RGB", size, (200, 120, 40)) for size in ((64, 48), (30, 90))]
        places = self.model.vision_model.embeddings.num_positions
        try:
            seen = self.look([self.prepare_image(image) for image in images])
            score = self.score(self.read(["a", "b c"]), seen)
        except (LunetaError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise EncoderError(
                f"{self.name}: a text and a picture prepared as the checkpoint says do not go through its model "
                f"({type(error).__name__}: {error}); its processor, tokenizer and config.json must be of one model"
            ) from error
        if seen[0][0].shape[0] != places:
            raise EncoderError(
                f"{self.name}: a picture has {seen[0][0].shape[0]} tokens, and the model positions for {places}: size "
                "in preprocessor_config.json must be image_size in config.json"
            )
        if not np.isfinite(score).all():
            raise EncoderError(f"{self.name}: its scores are no numbers in {self.dtype}; the weights may be damaged")


def _text_preparation(checkpoint: Checkpoint, config: Any) -> TextPreparation:
    """Its tokenizer may know one token more than the model: that which stands for a picture."""
    words = config.qformer_config
    extra = -1 if config.image_token_index is None else int(config.image_token_index)
    known = SimpleNamespace(
        vocab_size=max(int(words.vocab_size), extra + 1), max_position_embeddings=words.max_position_embeddings
    )
    return TextPreparation(checkpoint, known)
