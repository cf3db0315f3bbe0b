"""The loss of a training, put together from `luneta.losses` as its recipe says."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from luneta import losses
from luneta.finetuning.recipe import Recipe
from luneta.losses import Relations

MARGIN_WEIGHT = 1.0


@dataclass(frozen=True, slots=True)
class Vectors:
    """What the towers give for a batch.

    Attributes:
        images: (n, d) unit vectors.
        texts: (n, d) unit vectors; row i belongs to picture i.
        negatives: (m, d) unit vectors of texts that describe none of the pictures.
        scale: of the scores.
        bias: of the scores; None in a model of the softmax loss.
    """

    images: Tensor
    texts: Tensor
    negatives: Tensor
    scale: Tensor
    bias: Tensor | None


@dataclass(frozen=True, slots=True)
class Objective:
    """Contrastive loss of whole batches.

    Attributes:
        sigmoid: sum over pairs of a sigmoid loss instead of InfoNCE.
        margin: of the hardest negative's term; None is without.
        dims: lengths of shortened vectors that count as much as the whole.
    """

    sigmoid: bool
    margin: float | None = None
    dims: tuple[int, ...] = ()

    @classmethod
    def of(cls, recipe: Recipe, sigmoid_checkpoint: bool) -> Objective:
        sigmoid = sigmoid_checkpoint if recipe.loss == "auto" else recipe.loss == "sigmoid"
        return cls(sigmoid, recipe.margin, recipe.dims)

    def __call__(self, vectors: Vectors, relations: Relations) -> Tensor:
        """The loss, a float32 scalar."""
        if not self.dims:
            return self._whole(vectors, vectors.images, vectors.texts, vectors.negatives, relations)
        width = vectors.images.shape[1]

        def shortened(images: Tensor, texts: Tensor) -> Tensor:
            negatives = vectors.negatives[:, : images.shape[1]]
            if images.shape[1] < width:
                negatives = negatives / negatives.norm(dim=1, keepdim=True)
            return self._whole(vectors, images, texts, negatives, relations)

        return losses.matryoshka(vectors.images, vectors.texts, sorted({*self.dims, width}), shortened)

    def _whole(
        self, vectors: Vectors, images: Tensor, texts: Tensor, negatives: Tensor, relations: Relations
    ) -> Tensor:
        if self.sigmoid:
            bias = vectors.scale.new_zeros(()) if vectors.bias is None else vectors.bias
            loss = losses.sigmoid(images, texts, relations, scale=vectors.scale, bias=bias, negatives=negatives)
        else:
            loss = losses.info_nce(images, texts, relations, scale=vectors.scale, negatives=negatives)
        if self.margin is not None:
            loss = loss + MARGIN_WEIGHT * losses.hardest_margin(images, texts, relations, margin=self.margin)
        return loss
