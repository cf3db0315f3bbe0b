"""Losses against naive float64 twins written from the formulas, and against transformers' own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from luneta import losses
from luneta.errors import ConfigError, ShapeError
from luneta.losses import Relations


def batch(seed: int, n: int, d: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    both = torch.randn((2, n, d), generator=generator, dtype=torch.float64)
    images, texts = F.normalize(both, dim=2)
    return images.requires_grad_(), texts.requires_grad_()


def related(seed: int, n: int, weights: bool = False) -> Relations:
    """Some equal captions, some equal pictures, and groups that hold both and more."""
    rng = np.random.default_rng(seed)
    texts, images = rng.integers(0, max(1, n - n // 3), n), rng.integers(0, max(1, n - n // 4), n)
    groups = np.arange(n)
    for _ in range(n):  # spread until rows with an equal text or picture have one group
        for ids in (texts, images):
            for value in set(ids.tolist()):
                groups[ids == value] = groups[ids == value].min()
    if n > 3:
        groups[groups == groups[-1]] = groups[0]  # one further group: near things that nobody called equal
    relevance = torch.from_numpy(rng.uniform(0.2, 3.0, n)) if weights else None
    return Relations(*(torch.from_numpy(ids) for ids in (texts, images, groups)), relevance)


def facts(relations: Relations) -> tuple[list[list[bool]], list[list[bool]], list[float]]:
    """positive[i][j], ignored[i][j] and weights, by plain loops."""
    n = len(relations)
    t, p, g = (ids.tolist() for ids in (relations.texts, relations.images, relations.groups))
    positive = [[t[i] == t[j] or p[i] == p[j] for j in range(n)] for i in range(n)]
    ignored = [[g[i] == g[j] and not positive[i][j] for j in range(n)] for i in range(n)]
    return positive, ignored, [1.0] * n if relations.weights is None else relations.weights.tolist()


def naive_info_nce(images: Tensor, texts: Tensor, relations: Relations, scale: float, negatives: Tensor) -> float:
    positive, ignored, weights = facts(relations)
    n, total = len(images), 0.0
    for queries, gallery, more in ((images, texts, negatives), (texts, images, negatives[:0])):
        for i in range(n):
            logits = [scale * float(queries[i] @ gallery[j]) for j in range(n)]
            further = [scale * float(queries[i] @ extra) for extra in more]
            kept = [logit for j, logit in enumerate(logits) if not ignored[i][j]] + further
            below = math.log(sum(math.exp(logit) for logit in kept))
            mine = [j for j in range(n) if positive[i][j]]
            share = sum(weights[j] * (logits[j] - below) for j in mine) / sum(weights[j] for j in mine)
            total -= weights[i] * share
    return total / (2 * sum(weights))


def naive_sigmoid(
    images: Tensor, texts: Tensor, relations: Relations, scale: float, bias: float, negatives: Tensor
) -> float:
    positive, ignored, weights = facts(relations)
    n, total = len(images), 0.0
    for i in range(n):
        for j in range(n):
            logit = scale * float(images[i] @ texts[j]) + bias
            if positive[i][j]:
                total += weights[j] * math.log1p(math.exp(-logit))
            elif not ignored[i][j]:
                total += math.log1p(math.exp(logit))
        total += sum(math.log1p(math.exp(scale * float(images[i] @ extra) + bias)) for extra in negatives)
    return total / n


def naive_margin(images: Tensor, texts: Tensor, relations: Relations, margin: float) -> float:
    positive, ignored, _ = facts(relations)
    n, total = len(images), 0.0
    for queries, gallery in ((images, texts), (texts, images)):
        for i in range(n):
            others = [float(queries[i] @ gallery[j]) for j in range(n) if not positive[i][j] and not ignored[i][j]]
            if others:
                total += max(0.0, margin + max(others) - float(queries[i] @ gallery[i]))
    return total / n


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(0, 3), st.integers(1, 4), st.booleans())
def test_losses_are_their_formulas(seed: int, n: int, n_negatives: int, block: int, weighted: bool) -> None:
    images, texts = (vectors.detach() for vectors in batch(seed, n))
    relations = related(seed, n, weighted)
    negatives = batch(seed + 1, n_negatives)[0].detach() if n_negatives else texts[:0]
    scale, bias = torch.tensor(7.0, dtype=torch.float64), torch.tensor(-2.0, dtype=torch.float64)
    found = losses.info_nce(images, texts, relations, scale=scale, negatives=negatives, block=block)
    assert float(found) == pytest.approx(naive_info_nce(images, texts, relations, 7.0, negatives), abs=1e-9)
    found = losses.sigmoid(images, texts, relations, scale=scale, bias=bias, negatives=negatives, block=block)
    assert float(found) == pytest.approx(naive_sigmoid(images, texts, relations, 7.0, -2.0, negatives), abs=1e-9)
    found = losses.hardest_margin(images, texts, relations, margin=0.3, block=block)
    assert float(found) == pytest.approx(naive_margin(images, texts, relations, 0.3), abs=1e-9)


@pytest.mark.parametrize("nothing", [[3], [0, 1], range(6)])
def test_pairs_that_weigh_nothing_ask_for_nothing(nothing: Sequence[int]) -> None:
    """The limit of ever smaller weights; no 0/0 in the loss or its gradient."""
    n = 6
    rows = torch.arange(n)
    captions = torch.tensor([0, 0, 2, 3, 4, 5])  # 0 and 1 have each other as positives
    found = []
    for least in (0.0, 1e-12):
        images, texts = batch(4, n)
        weights = torch.ones(n, dtype=torch.float64)
        weights[list(nothing)] = least
        loss = losses.info_nce(images, texts, Relations(captions, rows, rows, weights), scale=torch.tensor(9.0))
        loss.backward()
        found.append([loss.detach().reshape(1), images.grad.flatten(), texts.grad.flatten()])
    if len(nothing) == n:
        assert not any(values.any() for values in found[0])
    else:
        for exact, limit in zip(*found, strict=True):
            torch.testing.assert_close(exact, limit, rtol=0, atol=1e-9)


def test_without_relations_they_are_transformers_own() -> None:
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    images, texts = (vectors.detach().float() for vectors in batch(0, 33))
    alone = Relations.distinct(33)
    scale, bias = torch.tensor(20.0), torch.tensor(-10.0)
    theirs = image_text_contrastive_loss(scale * texts @ images.T)
    assert float(losses.info_nce(images, texts, alone, scale=scale)) == pytest.approx(float(theirs), rel=1e-5)
    # as SiglipModel.forward computes it
    logits = scale * texts @ images.T + bias
    signs = -torch.ones_like(logits) + 2 * torch.eye(33)
    theirs = -F.logsigmoid(signs * logits).sum(dim=-1).mean()
    assert float(losses.sigmoid(images, texts, alone, scale=scale, bias=bias)) == pytest.approx(float(theirs), rel=1e-5)


def test_siglips_own_loss_and_gradient_from_its_forward(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The whole model's `return_loss`, its gradients included."""
    from transformers import SiglipModel

    from checkpoints import make_checkpoint
    from luneta.encoders.families import FAMILIES
    from luneta.encoders.towers import Towers

    folder = make_checkpoint("siglip", tmp_path_factory.mktemp("siglip") / "siglip")
    model = SiglipModel.from_pretrained(folder, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn((5, 3, 32, 32), generator=generator)
    ids = torch.randint(5, 60, (5, model.config.text_config.max_position_embeddings), generator=generator)
    theirs = model(pixel_values=pixels, input_ids=ids, return_loss=True).loss
    theirs.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    towers = Towers(model, FAMILIES["siglip"])
    images = towers.image_vectors(towers.image_features({"pixel_values": pixels}))
    texts = towers.text_vectors(towers.text_features({"input_ids": ids}))
    assert towers.bias is not None
    ours = losses.sigmoid(images, texts, Relations.distinct(5), scale=towers.scale, bias=towers.bias, block=2)
    ours.backward()  # type: ignore[no-untyped-call]
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("name", ["info_nce", "sigmoid", "hardest_margin"])
def test_blocks_change_neither_loss_nor_gradient(name: str) -> None:
    def run(block: int) -> list[Tensor]:
        images, texts = batch(3, 17)
        negatives = batch(4, 5)[0]
        scale, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (9.0, -3.0))
        relations = related(3, 17, True)
        if name == "info_nce":
            loss = losses.info_nce(images, texts, relations, scale=scale, negatives=negatives, block=block)
        elif name == "sigmoid":
            loss = losses.sigmoid(images, texts, relations, scale=scale, bias=bias, negatives=negatives, block=block)
        else:
            loss = losses.hardest_margin(images, texts, relations, margin=0.4, block=block)
        loss.backward()  # type: ignore[no-untyped-call]
        return [loss, *(t.grad for t in (images, texts, negatives, scale, bias) if t.grad is not None)]

    whole = run(1000)
    for block in (1, 4, 16):
        for ours, expected in zip(run(block), whole, strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [1, 5])
def test_gradients_are_those_of_finite_differences(n: int) -> None:
    images, texts = (vectors.detach() for vectors in batch(5, n))
    relations = related(5, n, True)
    scale, bias = torch.tensor(5.0, dtype=torch.float64), torch.tensor(-1.0, dtype=torch.float64)

    def all_three(images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        return (
            losses.info_nce(images, texts, relations, scale=scale)
            + losses.sigmoid(images, texts, relations, scale=scale, bias=bias)
            + losses.hardest_margin(images, texts, relations, margin=0.8)
        )

    arguments = [tensor.clone().requires_grad_() for tensor in (images, texts, scale, bias)]
    all_three(*arguments).backward()  # type: ignore[no-untyped-call]
    for position, argument in enumerate(arguments):
        flat = argument.detach().flatten()
        assert argument.grad is not None
        for at in range(0, flat.numel(), max(1, flat.numel() // 7)):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [a.detach().clone() for a in arguments]
                moved[position].view(-1)[at] += step
                ends.append(float(all_three(*moved)))
            slope = (ends[0] - ends[1]) / 2e-6
            assert slope == pytest.approx(float(argument.grad.flatten()[at]), abs=1e-6)


def test_the_sum_over_pairs_is_divided_by_rows_and_not_by_pairs() -> None:
    """Divided by n x n the gradient of a pair would fade with the size of the batch; divided by n it stays."""
    lengths = []
    for n in (8, 64):
        images, texts = batch(6, n, d=256)
        bias = torch.tensor(-math.log(n), dtype=torch.float64)
        losses.sigmoid(images, texts, Relations.distinct(n), scale=torch.tensor(5.0), bias=bias).backward()  # type: ignore[no-untyped-call]
        assert images.grad is not None
        lengths.append(float(images.grad.norm(dim=1).mean()) * n)
    assert lengths[1] > 0.5 * lengths[0]


def test_memory_of_the_logits_is_a_block() -> None:
    """What autograd keeps for the backward pass does not hold the matrix of logits."""
    kept: list[int] = []
    images, texts = (vectors.float() for vectors in batch(7, 512))

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses.sigmoid(
            images, texts, Relations.distinct(512), scale=torch.tensor(5.0), bias=torch.tensor(-5.0), block=32
        )
        losses.info_nce(images, texts, Relations.distinct(512), scale=torch.tensor(5.0), block=32)
    assert max(kept, default=0) < 512 * 32


def test_matryoshka_is_the_mean_over_shortened_unit_vectors() -> None:
    images, texts = (vectors.detach() for vectors in batch(8, 7))
    relations, scale = Relations.distinct(7), torch.tensor(4.0)

    def loss(images: Tensor, texts: Tensor) -> Tensor:
        assert torch.allclose(images.norm(dim=1), torch.ones(7, dtype=torch.float64))
        return losses.info_nce(images, texts, relations, scale=scale)

    expected = []
    for dim in (2, 6):
        short = [vectors[:, :dim] / vectors[:, :dim].norm(dim=1, keepdim=True) for vectors in (images, texts)]
        expected.append(naive_info_nce(short[0], short[1], relations, 4.0, texts[:0]))
    assert float(losses.matryoshka(images, texts, (2, 6), loss)) == pytest.approx(sum(expected) / 2, abs=1e-9)
    with pytest.raises(ConfigError, match="between 1 and 6"):
        losses.matryoshka(images, texts, (2, 8), loss)


def test_rows_that_do_not_match_are_refused() -> None:
    images, texts = batch(9, 4)
    with pytest.raises(ShapeError, match="row i of each is a pair"):
        losses.info_nce(images, texts[:3], Relations.distinct(4), scale=torch.tensor(1.0))
    with pytest.raises(ShapeError, match="row i of each is a pair"):
        losses.sigmoid(images, texts, Relations.distinct(3), scale=torch.tensor(1.0), bias=torch.tensor(0.0))


# -- lists -----------------------------------------------------------------------------------------------------


def some_lists(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(similarity, positive, ignored) of six lists of five pictures."""
    generator = torch.Generator().manual_seed(seed)
    similarity = torch.rand(6, 5, generator=generator, dtype=torch.float64) * 2 - 1
    positive = torch.rand(6, 5, generator=generator) < 0.3
    positive[:, 0] = True
    ignored = (torch.rand(6, 5, generator=generator) < 0.3) & ~positive
    return similarity, positive, ignored


def test_lists_by_softmax_as_the_formula_reads() -> None:
    similarity, positive, ignored = some_lists()
    total = 0.0
    for s, right, left_out in zip(similarity.tolist(), positive.tolist(), ignored.tolist(), strict=True):
        weights = [0.0 if out else math.exp(7 * x) for x, out in zip(s, left_out, strict=True)]
        shares = [w / sum(weights) for w, is_right in zip(weights, right, strict=True) if is_right]
        total -= sum(math.log(share) for share in shares) / len(shares)
    assert float(losses.listwise(similarity, positive, ignored, scale=7.0)) == pytest.approx(total / 6, rel=1e-12)


def test_lists_by_sigmoid_as_the_formula_reads() -> None:
    similarity, positive, ignored = some_lists()
    total = 0.0
    for s, right, left_out in zip(similarity.tolist(), positive.tolist(), ignored.tolist(), strict=True):
        for x, is_right, out in zip(s, right, left_out, strict=True):
            if not out:
                total += math.log1p(math.exp(-(1 if is_right else -1) * (7 * x - 3)))
    found = losses.listwise_sigmoid(similarity, positive, ignored, scale=7.0, bias=-3.0)
    assert float(found) == pytest.approx(total / 6, rel=1e-12)


def test_what_is_left_out_of_a_list_has_no_gradient() -> None:
    similarity, positive, ignored = some_lists()
    for loss in (losses.listwise, lambda *a, scale: losses.listwise_sigmoid(*a, scale=scale, bias=-1.0)):
        values = similarity.clone().requires_grad_(True)
        loss(values, positive, ignored, scale=5.0).backward()  # type: ignore[operator]
        assert values.grad is not None
        assert bool((values.grad[ignored] == 0).all())
        assert bool((values.grad[~ignored & ~positive] > 0).all())  # wrong pictures are pushed away


def test_lists_that_do_not_fit_are_refused() -> None:
    similarity, positive, ignored = some_lists()
    with pytest.raises(ShapeError, match="three times"):
        losses.listwise(similarity, positive[:, :2], ignored, scale=1.0)
    with pytest.raises(ShapeError, match="no right picture"):
        losses.listwise(similarity, positive & False, ignored, scale=1.0)
    with pytest.raises(ShapeError, match="no right picture"):
        losses.listwise_sigmoid(similarity, positive, positive, scale=1.0, bias=0.0)
