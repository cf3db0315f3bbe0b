"""What Zhan, Liu, Han, Xie and Zisserman report of ELIP ("ELIP: Enhanced Visual-Language Foundation Models for Image
Retrieval", CBMI 2025, arXiv 2502.15682): text-to-image recall of every backbone alone and with ELIP, trained on
DataCompDR with hard samples and several prompts. How deep candidates are looked at is what their evaluation code does
(github.com/ypliubit/ELIP); for ImageNet-R that of elip-s, elip-s2 and elip-b is a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

RECALL = ("recall@1", "recall@5", "recall@10")

Numbers = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Reported:
    """The numbers of one benchmark.

    Attributes:
        baseline: the backbone alone; of elip-b, BLIP-2's image-text matching without prompts.
        elip: with ELIP.
    """

    baseline: Numbers
    elip: Numbers


def _reported(baseline: tuple[float, ...], elip: tuple[float, ...]) -> Reported:
    return Reported(*(dict(zip(RECALL, values, strict=True)) for values in (baseline, elip)))


REPORTED: Mapping[str, Mapping[str, Reported]] = MappingProxyType(
    {
        "elip-c": {
            "coco": _reported((0.4016, 0.6595, 0.7562), (0.4561, 0.7108, 0.8043)),
            "flickr30k": _reported((0.6756, 0.8834, 0.93), (0.723, 0.9062, 0.9468)),
        },
        "elip-s": {
            "coco": _reported((0.5421, 0.7678, 0.8424), (0.6103, 0.8262, 0.887)),
            "flickr30k": _reported((0.8296, 0.961, 0.9804), (0.8762, 0.9816, 0.9916)),
        },
        "elip-s2": {
            "coco": _reported((0.5687, 0.7879, 0.8549), (0.6291, 0.8386, 0.897)),
            "flickr30k": _reported((0.8394, 0.9662, 0.982), (0.8774, 0.9796, 0.9894)),
        },
        "elip-b": {
            "coco": _reported((0.6825, 0.8772, 0.9263), (0.6841, 0.8788, 0.9278)),
            "flickr30k": _reported((0.8974, 0.9818, 0.9894), (0.9008, 0.9834, 0.9922)),
        },
    }
)
"""{variant: {benchmark: numbers}}. The mAP of Occluded COCO and ImageNet-R is not among them."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One of the paper's benchmarks.

    Attributes:
        name: in `REPORTED`.
        title: as people call it.
        metrics: that are reported of it.
        k: {variant: candidates that are looked at again}.
        weight: of BLIP-2's matching beside its contrastive score.
        to_have: what to download and how large it is.
        size: pictures and captions it has; None where nothing is published to be held against it.
        judged: it is one of judged queries.
    """

    name: str
    title: str
    metrics: tuple[str, ...]
    k: Mapping[str, int]
    weight: float
    to_have: str
    size: tuple[int, int] | None = None
    judged: bool = False


def _k(everywhere: int, crossing: int) -> Mapping[str, int]:
    return {"elip-c": everywhere, "elip-s": everywhere, "elip-s2": everywhere, "elip-b": crossing}


BENCHMARKS = (
    Benchmark(
        "coco", "COCO, Karpathy's test part", RECALL, _k(100, 20), 1.0,
        "val2014.zip (6 GB) of cocodataset.org and dataset_coco.json of Karpathy's splits (37 MB)",
        size=(5000, 25_010),
    ),
    Benchmark(
        "flickr30k", "Flickr30k, Karpathy's test part", RECALL, _k(100, 20), 1.0,
        "flickr30k-images (4.4 GB, on request from its authors) and dataset_flickr30k.json of Karpathy's splits",
        size=(1000, 5000),
    ),
    Benchmark(
        "occluded-coco", "Occluded COCO", ("map",), _k(500, 100), 0.05,
        "val2014.zip (6 GB) and annotations_trainval2014.zip (241 MB) of cocodataset.org, and the authors' "
        "karpathy_test_cat_id_2_occ_img_negative_img.json; then luneta build occluded-coco",
        judged=True,
    ),
    Benchmark(
        "imagenet-r", "ImageNet-R", ("map",), _k(1000, 100), 0.05,
        "imagenet-r.tar (2.2 GB) of github.com/hendrycks/imagenet-r; then luneta build imagenet-r",
        judged=True,
    ),
)  # fmt: skip

BACKBONES: Mapping[str, str] = MappingProxyType(
    {
        "elip-c": "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
        "elip-s": "google/siglip-so400m-patch14-384",
        "elip-s2": "google/siglip2-giant-opt-patch16-384",
        "elip-b": "google/siglip-so400m-patch14-384",
    }
)
"""The encoder that every variant was trained for; of elip-b, one that finds the candidates."""

CROSS_ENCODER = "Salesforce/blip2-itm-vit-g-coco"
"""What elip-b was trained for."""

CHECKPOINT = (
    "a training checkpoint of the authors (about 3 GB and more; links in the README of github.com/ypliubit/ELIP)"
)
"""What to download for the numbers with ELIP."""
