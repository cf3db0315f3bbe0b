"""What may be asked of the API, and what it answers: the shapes that /docs shows and requests are held to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from luneta.search.queries import LONGEST, MOST_PARTS
from luneta.search.searcher import DEEPEST

LARGEST_ID = 2**63 - 1
MOST_IDS = 1000
MOST_TEXTS, MOST_PICTURES = 256, 16
MOST_ANSWERS = 1000
DEEPEST_VARIED = 1000
"""Answers that may be paged through where near-duplicates leave or variety is asked for: each costs as many again."""

Id = Annotated[int, Field(ge=0, le=LARGEST_ID)]
Ids = Annotated[list[Id], Field(max_length=MOST_IDS)]
SideName = Literal["image", "text"]
Base64 = Annotated[str, Field(min_length=1, json_schema_extra={"contentEncoding": "base64"})]
Name = Annotated[str, Field(min_length=1, max_length=255)]

EXAMPLE_PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9hAAAAAElFTkSuQmCC"
"""A red PNG of 8 x 8 pixels."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class ItemForm(_Form):
    """An item of the bundle."""

    side: SideName = "image"
    id: Id


class PartForm(_Form):
    """One of the things that a query is made of: a text, a picture, or an item of the bundle."""

    text: Annotated[str | None, Field(max_length=LONGEST, description="Taken as it is.")] = None
    image: Annotated[Base64 | None, Field(description="An encoded picture (JPEG, PNG, WebP ...) in base64.")] = None
    image_url: Annotated[
        str | None, Field(max_length=2000, description="Where a picture is; from hosts that the server allows.")
    ] = None
    item: ItemForm | None = None
    weight: Annotated[
        float, Field(ge=-1000, le=1000, description="How much it counts; below 0 it is to be avoided.")
    ] = 1.0  # fmt: skip

    @model_validator(mode="after")
    def _one(self) -> PartForm:
        if sum(each is not None for each in (self.text, self.image, self.image_url, self.item)) != 1:
            raise ValueError("one_of")
        return self


class WishForm(_Form):
    """How answers are chosen and shown."""

    bundle: Annotated[Name | None, Field(description="Its name; without one, the first that is served.")] = None
    top_k: Annotated[int, Field(ge=1, le=MOST_ANSWERS, description="Answers of a page.")] = 10
    offset: Annotated[int, Field(ge=0, le=DEEPEST - 1, description="Answers before this page.")] = 0
    where: Annotated[
        str | None, Field(max_length=LONGEST, description="Which items count, such as: style = 'flat' and year < 1900")
    ] = None
    diversity: Annotated[
        float, Field(ge=0, le=1, description="0 by score alone, towards 1 the more different.")
    ] = 0.0  # fmt: skip
    near: Annotated[
        float | None,
        Field(gt=0, le=1, description="Cosine from which on answers are the same thing, of which one is shown."),
    ] = None
    like: Annotated[Ids, Field(description="Answers that somebody liked: the query moves towards them.")] = []
    unlike: Annotated[Ids, Field(description="Answers that somebody disliked: the query moves away from them.")] = []
    exclude: Annotated[Ids, Field(description="Items that are not shown.")] = []


class SearchForm(WishForm):
    """A query: what people type, a picture, or parts with weights; all that is given is added up."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": "a red boat on the beach", "top_k": 5},
                {"query": "a cat - 0.5*dog", "where": "style = 'flat'", "diversity": 0.3},
                {"image": EXAMPLE_PICTURE, "top_k": 3},
                {"parts": [{"text": "the same at night"}, {"item": {"side": "image", "id": 7}, "weight": 0.7}]},
            ]
        }
    )

    query: Annotated[
        str | None,
        Field(
            max_length=LONGEST, description="As people type it: ` + ` and ` - ` add and take away, `0.5*red` weighs."
        ),
    ] = None
    image: Annotated[Base64 | None, Field(description="An encoded picture in base64.")] = None
    parts: Annotated[list[PartForm], Field(max_length=MOST_PARTS)] = []
    target: Annotated[SideName, Field(description="What is searched: the pictures or the texts.")] = "image"
    rerank: Annotated[bool, Field(description="Look at the first answers again; for queries that are one text.")] = (
        False
    )
    language: Annotated[
        str | None, Field(max_length=35, description="Of the query, for the cut-off below which nothing is relevant.")
    ] = None
    anyway: Annotated[bool, Field(description="Show answers even where none is relevant.")] = False


class SimilarForm(WishForm):
    """More like an item of the bundle."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": 7, "top_k": 5}, {"id": 7, "near": 0.95}]})

    id: Annotated[Id, Field(description="Of the item.")]
    side: Annotated[SideName, Field(description="Whether it is a picture or a text.")] = "image"
    target: Annotated[SideName | None, Field(description="What is searched; without it the item's own side.")] = None


class EmbedForm(_Form):
    """Texts and pictures that become vectors of a bundle's space."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"texts": ["a red boat", "um barco vermelho"]}, {"images": [EXAMPLE_PICTURE]}]}
    )

    bundle: Annotated[Name | None, Field(description="Its name; without one, the first that is served.")] = None
    texts: Annotated[
        list[Annotated[str, Field(max_length=LONGEST)]], Field(max_length=MOST_TEXTS)
    ] = []  # fmt: skip
    images: Annotated[list[Base64], Field(max_length=MOST_PICTURES, description="Encoded pictures in base64.")] = []


# -- answers -----------------------------------------------------------------------------------------------------------


class HitAnswer(BaseModel):
    rank: Annotated[int, Field(description="From 1, over all pages.")]
    id: int
    side: SideName
    score: Annotated[float, Field(description="A cosine, unless the answers were re-ranked.")]
    name: str | None
    text: str | None
    texts: list[str]
    images: list[int]
    metadata: dict[str, Any]
    rank_before: Annotated[int | None, Field(description="By the encoder alone, where the answers were re-ranked.")]
    also: Annotated[list[int], Field(description="Near-duplicates that it stands for.")]
    thumbnail: Annotated[str | None, Field(description="Address of a small picture.")]
    relevant: Annotated[
        bool | None, Field(description="Whether its own score reaches the cut-off; null where none is known.")
    ]


class SearchAnswer(BaseModel):
    bundle: str
    query: Annotated[str, Field(description="As it was understood.")]
    relevant: Annotated[
        bool | None, Field(description="Whether the best answer reaches the cut-off; null where there is none.")
    ]
    cutoff: Annotated[float | None, Field(description="The least score that counts as relevant.")]
    best: Annotated[float | None, Field(description="Score of the best answer, by the encoder alone.")]
    n_withheld: Annotated[int, Field(description="Answers that are not shown because none is relevant; see anyway.")]
    has_more: Annotated[bool, Field(description="There is a next page.")]
    hits: list[HitAnswer]


class EmbedAnswer(BaseModel):
    bundle: str
    encoder: str
    fingerprint: str
    embedding_dim: int
    texts: list[list[float]]
    images: list[list[float]]


class ItemAnswer(BaseModel):
    id: int
    side: SideName
    name: str | None
    text: str | None
    texts: list[str]
    images: list[int]
    metadata: dict[str, Any]
    thumbnail: str | None


class ShortBundleAnswer(BaseModel):
    name: str
    encoder: dict[str, Any]
    dataset: dict[str, Any]
    n_images: int
    n_texts: int
    index: dict[str, str]
    created_at: str
    updated_at: str
    reranks: bool


class BundlesAnswer(BaseModel):
    default: Annotated[str, Field(description="The bundle that is meant where none is named.")]
    bundles: list[ShortBundleAnswer]


class ValueAnswer(BaseModel):
    value: Any
    n: int


class ColumnAnswer(BaseModel):
    name: str
    holds: Annotated[str, Field(description="integer, time, float, text, bool, texts or other.")]
    n_missing: int
    values: Annotated[list[ValueAnswer], Field(description="The most frequent ones.")]
    range: Annotated[list[Any] | None, Field(description="Least and greatest.")]


class BundleAnswer(ShortBundleAnswer):
    calibration: list[dict[str, Any]] | None
    columns: dict[str, list[ColumnAnswer]]


class HealthAnswer(BaseModel):
    status: Literal["ok"]
    version: str


class FieldProblem(BaseModel):
    at: str
    detail: str


class ProblemAnswer(BaseModel):
    """RFC 9457, with a code for programs."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] | None = None
