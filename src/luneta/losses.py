"""Contrastive losses of matching pictures and texts: pure functions of unit vectors.

Row i of `images` and row i of `texts` are a pair. Which other rows belong together is told by `Relations`, never by a
matrix: everything is computed in blocks of rows whose logits are made again in the backward pass, so that memory grows
with the batch and not with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from luneta.errors import ConfigError, ShapeError

BLOCK = 1024
"""Rows whose logits are in memory at once."""


@dataclass(frozen=True, slots=True)
class Relations:
    """What else of a batch belongs together, beside row i of the pictures and row i of the texts.

    A text and a picture of two rows are positives of one another when the texts or the pictures of these rows are
    equal. Other rows of one group (near copies, translations, the same item) are left out: neither positive nor
    negative, because nobody has said that this text describes that picture.

    Attributes:
        texts: (n,) int64, equal for equal captions.
        images: (n,) int64, equal for equal pictures.
        groups: (n,) int64, equal for rows of one group.
        weights: (n,) float of at least 0, how relevant each pair is; None counts all the same (graded relevance as in
            generalised contrastive learning, Zhu et al., 2024). What weighs 0 draws nothing together; others are still
            told apart from it.
    """

    texts: Tensor
    images: Tensor
    groups: Tensor
    weights: Tensor | None = None

    @classmethod
    def distinct(cls, n: int, device: torch.device | str = "cpu") -> Relations:
        """Every row is a thing of its own."""
        rows = torch.arange(n, device=device)
        return cls(rows, rows, rows)

    def __len__(self) -> int:
        return len(self.texts)

    def block(self, rows: slice) -> tuple[Tensor, Tensor]:
        """(positive, ignored) of some rows to all rows: (len(rows), n) bool each. Both are symmetric relations."""
        positive = (self.texts[rows, None] == self.texts) | (self.images[rows, None] == self.images)
        return positive, (self.groups[rows, None] == self.groups) & ~positive


def info_nce(
    images: Tensor,
    texts: Tensor,
    relations: Relations,
    *,
    scale: Tensor,
    negatives: Tensor | None = None,
    block: int = BLOCK,
) -> Tensor:
    """Softmax loss in both directions, the mean over rows and directions (Radford et al., 2021).

    A row with several positives has the target spread evenly over them (or by their weights), as in UniCL (Yang et
    al., 2022) and the outer form of supervised contrastive learning (Khosla et al., 2020).

    Args:
        images: (n, d) unit vectors.
        texts: (n, d) unit vectors.
        relations: of the n rows.
        scale: the exponentiated temperature that the similarities are multiplied by.
        negatives: (m, d) texts that describe none of the pictures, further columns of the direction image to text.
        block: rows whose logits are in memory at once.

    Raises:
        ShapeError: the rows do not match.
    """
    _check(images, texts, relations)
    further = texts.new_zeros((0, texts.shape[1])) if negatives is None else negatives
    nothing = texts.new_zeros((0, texts.shape[1]))
    total = _wide(texts.new_zeros(()))
    for rows in _blocks(len(texts), block):
        for queries, gallery, extra in ((images, texts, further), (texts, images, nothing)):
            total = total + _again(_softmax_rows, queries[rows], gallery, extra, scale, relations, rows)
    weight = len(texts) if relations.weights is None else _nonzero(relations.weights.sum())
    return total / (2 * weight)


def _softmax_rows(
    queries: Tensor, gallery: Tensor, extra: Tensor, scale: Tensor, relations: Relations, rows: slice
) -> Tensor:
    positive, ignored = relations.block(rows)
    logits = _wide(scale * queries @ torch.cat([gallery, extra]).T)
    n = gallery.shape[0]
    own = logits[:, :n].masked_fill(ignored, float("-inf"))
    log_share = own - torch.cat([own, logits[:, n:]], dim=1).logsumexp(dim=1, keepdim=True)
    target = positive.to(log_share.dtype)
    if relations.weights is not None:
        target = target * relations.weights
    loss = -(target * log_share.masked_fill(~positive, 0)).sum(dim=1) / _nonzero(target.sum(dim=1))
    return (loss if relations.weights is None else loss * relations.weights[rows]).sum()


def sigmoid(
    images: Tensor,
    texts: Tensor,
    relations: Relations,
    *,
    scale: Tensor,
    bias: Tensor,
    negatives: Tensor | None = None,
    block: int = BLOCK,
) -> Tensor:
    """Sigmoid loss: summed over all pairs of a picture and a text, divided by the number of rows (Zhai et al., 2023).

    Divided by n and not by n x n: a mean over the matrix makes the gradient n times too small, and the loss stays near
    ln 2 whatever is learnt.

    Args:
        images: (n, d) unit vectors.
        texts: (n, d) unit vectors.
        relations: of the n rows; the weight of a positive is that of its text's row.
        scale: the exponentiated temperature.
        bias: added to every logit.
        negatives: (m, d) texts that describe none of the pictures.
        block: rows whose logits are in memory at once.

    Raises:
        ShapeError: the rows do not match.
    """
    _check(images, texts, relations)
    total = _wide(texts.new_zeros(()))
    for rows in _blocks(len(images), block):
        total = total + _again(_sigmoid_rows, images[rows], texts, scale, bias, relations, rows)
        if negatives is not None and len(negatives):
            total = total + _again(_all_negative, images[rows], negatives, scale, bias)
    return total / len(images)


def _sigmoid_rows(
    images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, relations: Relations, rows: slice
) -> Tensor:
    positive, ignored = relations.block(rows)
    logits = _wide(scale * images @ texts.T + bias)
    loss = F.softplus(torch.where(positive, -logits, logits))
    if relations.weights is not None:
        loss = torch.where(positive, loss * relations.weights, loss)
    return loss.masked_fill(ignored, 0).sum()


def _all_negative(images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.softplus(_wide(scale * images @ texts.T + bias)).sum()


def hardest_margin(images: Tensor, texts: Tensor, relations: Relations, *, margin: float, block: int = BLOCK) -> Tensor:
    """How far each row's hardest negative comes within `margin` of its pair, both directions (VSE++, Faghri et al.,
    2018); the mean over rows, summed over directions.

    Args:
        images: (n, d) unit vectors.
        texts: (n, d) unit vectors.
        relations: of the n rows; positives and ignored rows are no negatives.
        margin: in units of cosine similarity.
        block: rows whose similarities are in memory at once.

    Raises:
        ShapeError: the rows do not match.
    """
    _check(images, texts, relations)
    total = _wide(texts.new_zeros(()))
    for rows in _blocks(len(texts), block):
        for queries, gallery in ((images, texts), (texts, images)):
            total = total + _again(_margin_rows, queries[rows], gallery, relations, rows, margin)
    return total / len(texts)


def _margin_rows(queries: Tensor, gallery: Tensor, relations: Relations, rows: slice, margin: float) -> Tensor:
    positive, ignored = relations.block(rows)
    similarity = _wide(queries @ gallery.T)
    own = _wide((queries * gallery[rows]).sum(dim=1))
    hardest = similarity.masked_fill(positive | ignored, float("-inf")).amax(dim=1)
    return F.relu(margin + hardest - own).sum()  # without a negative: -inf, which is no loss


def matryoshka(images: Tensor, texts: Tensor, dims: Sequence[int], loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The mean of a loss over shortened vectors, so that their first numbers alone find things too (Kusupati et al.,
    2022).

    Args:
        images: (n, d) unit vectors.
        texts: (n, d) unit vectors.
        dims: how many numbers are kept, each at most d; what is kept is made a unit vector again.
        loss: takes (images, texts).

    Raises:
        ConfigError: a length that the vectors do not have.
    """
    longest = images.shape[1]
    if not dims or any(not 1 <= dim <= longest for dim in dims):
        raise ConfigError(f"matryoshka dimensions {list(dims)} given, expected numbers between 1 and {longest}")
    shortened = [
        loss(F.normalize(images[:, :dim], dim=1), F.normalize(texts[:, :dim], dim=1)) if dim < longest
        else loss(images, texts) for dim in dims
    ]  # fmt: skip
    return torch.stack(shortened).mean()


def listwise(similarity: Tensor, positive: Tensor, ignored: Tensor, *, scale: Tensor | float) -> Tensor:
    """Softmax loss of texts that each have a list of pictures of their own, the mean over texts (ListNet, Cao et al.,
    2007); the target is spread evenly over the right pictures of a list.

    Args:
        similarity: (n, n_listed) cosines of each text and its pictures.
        positive: (n, n_listed) bool, what the text describes.
        ignored: (n, n_listed) bool, neither right nor wrong.
        scale: the exponentiated temperature.

    Raises:
        ShapeError: the tables do not match, or a text has nothing right in its list.
    """
    right = _check_lists(similarity, positive, ignored)
    logits = _wide(scale * similarity).masked_fill(ignored, float("-inf"))
    log_share = logits.log_softmax(dim=1).masked_fill(~right, 0)
    return -(log_share.sum(dim=1) / right.sum(dim=1)).mean()


def listwise_sigmoid(
    similarity: Tensor, positive: Tensor, ignored: Tensor, *, scale: Tensor | float, bias: Tensor | float
) -> Tensor:
    """Sigmoid loss of texts that each have a list of pictures: summed over the list, the mean over texts.

    Args:
        similarity, positive, ignored, scale: as in `listwise`.
        bias: added to every logit.

    Raises:
        ShapeError: as `listwise`.
    """
    right = _check_lists(similarity, positive, ignored)
    logits = _wide(scale * similarity + bias)
    loss = F.softplus(torch.where(right, -logits, logits)).masked_fill(ignored, 0)
    return loss.sum(dim=1).mean()


def _check_lists(similarity: Tensor, positive: Tensor, ignored: Tensor) -> Tensor:
    """What is right and counts."""
    if similarity.ndim != 2 or not similarity.shape == positive.shape == ignored.shape:
        raise ShapeError(
            f"similarities {tuple(similarity.shape)}, positives {tuple(positive.shape)} and ignored "
            f"{tuple(ignored.shape)} given; expected (n, n_listed) three times"
        )
    right = positive & ~ignored
    if not bool(right.any(dim=1).all()):
        raise ShapeError("a text has no right picture in its list; every list needs one")
    return right


def _check(images: Tensor, texts: Tensor, relations: Relations) -> None:
    if images.ndim != 2 or images.shape != texts.shape or len(relations) != len(texts):
        raise ShapeError(
            f"pictures {tuple(images.shape)}, texts {tuple(texts.shape)} and {len(relations)} relations given; "
            "expected (n, d) twice and n: row i of each is a pair"
        )


def _wide(values: Tensor) -> Tensor:
    """At least float32: sums of exponentials overflow and lose small terms in 16 bits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _nonzero(sums: Tensor) -> Tensor:
    """To divide by: what weighs nothing altogether is a loss of 0, not 0/0."""
    return sums.clamp(min=torch.finfo(sums.dtype).tiny)


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _again(rows_loss: Callable[..., Tensor], *arguments: object) -> Tensor:
    """The loss of a block of rows, whose logits are not kept for the backward pass but made again."""
    loss: Tensor = checkpoint(rows_loss, *arguments, use_reentrant=False, preserve_rng_state=False)
    return loss
