"""Recall of a model in training, measured often and therefore cheaply: everything that does not change is kept."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import ImageTextDataset
from luneta.data.relevance import merged_pairs
from luneta.decoding import in_order
from luneta.finetuning.material import features, vectors
from luneta.metrics import recall_at
from luneta.ranking import rank_both
from luneta.threads import available
from luneta.types import DIRECTIONS, Encoder, Side, StagedEncoder, Trainable, Vectors


class Validation:
    """Recall@1 in both directions on one data set; equal captions and equal pictures count as equal.

    Attributes:
        dataset: what is searched.
    """

    def __init__(self, trainable: Trainable, dataset: ImageTextDataset, cached: tuple[Side, ...] = ()) -> None:
        """
        Args:
            trainable: holds the model.
            dataset: images and texts that can be read.
            cached: sides whose trunks do not change, so that their features are computed once.
        """
        self.dataset = dataset
        self._trainable = trainable
        self._cached = cached
        self._features: dict[Side, NDArray[np.float32]] = {}

    def __call__(self) -> dict[str, float]:
        """recall: the mean of both directions; and each of them."""
        images, texts = self._vectors("image"), self._vectors("text")
        rankings = rank_both(texts, images, self._pairs)
        found = {f"{d}_recall@1": float(recall_at(rankings[d], 1).mean()) for d in DIRECTIONS}
        return {"recall": sum(found.values()) / len(found), **found}

    @cached_property
    def _pairs(self) -> Any:
        return merged_pairs(self.dataset)

    @cached_property
    def _prepared(self) -> list[Any]:
        """The pictures as the image tower takes them."""
        prepare = self._trainable.prepare_image
        return list(in_order(lambda ref: prepare(ref.open()), self.dataset.images, available(), 64))

    def _vectors(self, side: Side) -> Vectors:
        if side in self._cached:
            if side not in self._features:
                self._features[side] = features(self._trainable, self.dataset, side)
            return vectors(self._trainable, side, self._features[side])
        encoder: Encoder = self._trainable.encoder()
        if side == "text":
            return encoder.encode_texts(list(self.dataset.texts))
        assert isinstance(encoder, StagedEncoder)
        return encoder.encode_prepared(self._prepared)
