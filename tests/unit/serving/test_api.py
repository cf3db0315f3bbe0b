"""What the routes answer: what a Searcher answers, in JSON."""

from __future__ import annotations

import html
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import serving
from luneta.bundles.bundle import Bundle
from luneta.bundles.calibration import Calibration, Cutoff, Rate
from luneta.search import Item, Part, Query, Searcher, Wish
from luneta.serving import forms
from luneta.serving.engines import is_plain
from serving import checked_problem, ids, in_base64, picture


def found(api: Any, **form: Any) -> dict[str, Any]:
    answer = api.post("/search", json=form)
    assert answer.status_code == 200, answer.text
    forms.SearchAnswer.model_validate(answer.json())
    return answer.json()


@pytest.mark.parametrize(
    ("form", "asked"),
    [
        ({"query": "thing 7"}, {}),
        ({"query": "thing 7, way 1 - 0.5*thing 3", "top_k": 7, "offset": 4}, {"top_k": 7, "offset": 4}),
        ({"query": "thing 7", "where": "style = 'flat' and number < 40"}, {"where": "style = 'flat' and number < 40"}),
        ({"query": "thing 7", "target": "text", "near": 0.9}, {"target": "text", "near": 0.9}),
        ({"query": "thing 7", "diversity": 0.5, "top_k": 20}, {"diversity": 0.5, "top_k": 20}),
        ({"query": "thing 7", "like": [3], "unlike": [4, 5]}, {"like": [3], "unlike": [4, 5]}),
    ],
)
def test_a_search_is_that_of_the_searcher(api: Any, bundle: Path, form: Any, asked: Any) -> None:
    expected = serving.searcher(bundle).search(form["query"], **asked)
    answer = found(api, **form)
    assert ids(answer) == [hit.id for hit in expected]
    np.testing.assert_allclose([hit["score"] for hit in answer["hits"]], [hit.score for hit in expected], atol=1e-6)
    assert [hit["rank"] for hit in answer["hits"]] == [hit.rank for hit in expected]
    assert [hit["also"] for hit in answer["hits"]] == [list(hit.also) for hit in expected]
    assert (answer["query"], answer["has_more"]) == (str(Query.read(form["query"])), expected.has_more)


def test_parts_pictures_and_items_are_added_up(api: Any, bundle: Path) -> None:
    upright = Image.open(io.BytesIO(picture(9)))
    expected = serving.searcher(bundle).search(
        Query((Part("thing 2"), Part(Item("image", 5), 0.7), Part("thing 4", -0.5), Part(upright, 2.0)))
    )
    parts = [
        {"item": {"side": "image", "id": 5}, "weight": 0.7},
        {"text": "thing 4", "weight": -0.5},
        {"image": in_base64(picture(9)), "weight": 2},
    ]
    assert ids(found(api, query="thing 2", parts=parts)) == [hit.id for hit in expected]


def test_a_picture_comes_in_base64_as_data_url_or_as_file(api: Any, bundle: Path) -> None:
    expected = [hit.id for hit in serving.searcher(bundle).search(Image.open(io.BytesIO(picture(9))), top_k=3)]
    assert expected[0] == 9
    encoded = in_base64(picture(9))
    assert ids(found(api, image=encoded, top_k=3)) == expected
    assert ids(found(api, image=f"data:image/png;base64,{encoded}", top_k=3)) == expected
    answer = api.post(
        "/search", files={"image": ("a.png", picture(9), "image/png")}, data={"request": json.dumps({"top_k": 3})}
    )
    assert ids(answer.json()) == expected


def test_a_form_with_text_and_two_pictures(api: Any, bundle: Path) -> None:
    pictures = [Image.open(io.BytesIO(picture(number))) for number in (9, 11)]
    expected = serving.searcher(bundle).search(Query.of("thing 2", *pictures))
    answer = api.post(
        "/search",
        files=[("image", ("a", picture(9))), ("image", ("b", picture(11)))],
        data={"request": '{"query": "thing 2"}'},
    )
    assert ids(answer.json()) == [hit.id for hit in expected]


def test_similar_is_a_search_by_an_item(api: Any, bundle: Path) -> None:
    expected = serving.searcher(bundle).search(Query.of(Item("image", 8)), top_k=4, where="number > 3")
    answer = api.post("/similar", json={"id": 8, "top_k": 4, "where": "number > 3"}).json()
    assert ids(answer) == [hit.id for hit in expected]
    assert 8 not in ids(answer)
    expected = serving.searcher(bundle).search(Query.of(Item("text", 8)), target="image")
    assert ids(api.post("/similar", json={"id": 8, "side": "text", "target": "image"}).json()) == [
        hit.id for hit in expected
    ]
    assert checked_problem(api.post("/similar", json={"id": 10**6}), 404)["code"] == "no_item"


def test_embed_gives_the_encoders_vectors(api: Any) -> None:
    texts = ["thing 1", "thing 2, way 1", "something else"]
    answer = api.post("/embed", json={"texts": texts, "images": [in_base64(picture(5))]}).json()
    np.testing.assert_allclose(answer["texts"], serving.ENCODER.encode_texts(texts), atol=1e-6)
    seen = [Image.open(io.BytesIO(picture(5)))]
    np.testing.assert_allclose(answer["images"], serving.ENCODER.encode_images(seen), atol=1e-6)
    assert answer["embedding_dim"] == len(answer["texts"][0]) == 32
    assert answer["fingerprint"] == serving.ENCODER.spec.fingerprint
    forms.EmbedAnswer.model_validate(answer)


def test_nothing_relevant_is_said_instead_of_wrong_pictures(bundle: Path) -> None:
    opened = serving.searcher(bundle)
    rate = Rate(0.05, None, None, 100)
    cutoff = Cutoff("image", None, 0.8, "missed", 0.05, 100, rate, rate, "nowhere")
    vars(opened.bundle)["calibration"] = Calibration([cutoff], {"image": 60, "text": 120})
    with serving.client_of({"calibrated": opened}) as api:
        answer = found(api, query="nothing of this kind")
        assert answer["best"] < 0.8 == answer["cutoff"]
        assert (answer["relevant"], answer["hits"], answer["n_withheld"]) == (False, [], 10)
        assert not answer["has_more"]
        shown = found(api, query="nothing of this kind", anyway=True)
        assert (shown["relevant"], len(shown["hits"]), shown["n_withheld"]) == (False, 10, 0)
        assert shown["hits"][0]["score"] == pytest.approx(answer["best"])
        known = found(api, query="thing 7")
        assert (known["relevant"], len(known["hits"])) == (True, 10)
        assert [hit["relevant"] for hit in known["hits"]] == [hit["score"] >= 0.8 for hit in known["hits"]]
        empty = found(api, query="thing 7", where="number > 9000")
        assert (empty["relevant"], empty["hits"], empty["n_withheld"]) == (None, [], 0)
        assert api.get("/bundles/calibrated").json()["calibration"][0]["value"] == 0.8


def test_bundles_say_what_they_hold(api: Any, bundle: Path) -> None:
    answer = api.get("/bundles").json()
    forms.BundlesAnswer.model_validate(answer)
    assert (answer["default"], [each["name"] for each in answer["bundles"]]) == ("pixels", ["pixels"])
    answer = api.get("/bundles/pixels").json()
    forms.BundleAnswer.model_validate(answer)
    assert (answer["n_images"], answer["n_texts"], answer["reranks"]) == (60, 120, False)
    columns = {column["name"]: column for column in answer["columns"]["image"]}
    assert columns["style"]["values"] == [{"value": name, "n": 20} for name in sorted(serving.STYLES)]
    assert columns["often"]["values"] == [{"value": "now", "n": 45}, {"value": "always", "n": 15}]
    assert (columns["number"]["holds"], columns["number"]["range"]) == ("integer", [0, 59])
    assert (columns["height"]["holds"], columns["height"]["range"]) == ("float", [0.5, 29.5])
    assert columns["bytes"]["holds"] == "other"


def test_an_item_and_its_small_picture(api: Any, bundle: Path) -> None:
    item = api.get("/bundles/pixels/items/7").json()
    forms.ItemAnswer.model_validate(item)
    assert (item["name"], item["texts"]) == ("picture-7", ["thing 7, way 0", "thing 7, way 1"])
    assert item["metadata"] == {
        "number": 7, "style": "drawn", "often": "now", "height": 3.5, "file": "7.png", "bytes": None,
    }  # fmt: skip
    assert api.get("/bundles/pixels/items/15?side=text").json()["text"] == "thing 7, way 1"
    assert api.get("/bundles/pixels/items/0").json()["metadata"]["height"] is None
    answer = api.get(item["thumbnail"])
    opened = Bundle.open(bundle)
    assert answer.content == opened.thumbnails.get(opened.items("image").column("_key")[7].as_py())
    assert answer.headers["content-type"] == "image/jpeg"
    again = api.get(item["thumbnail"], headers={"If-None-Match": f'"other", W/{answer.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert api.get(item["thumbnail"], headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_first_bundle_is_meant_where_none_is_named(bundle: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.luneta"
    serving.make_bundle(small, 5)
    with serving.client(bundle, small) as api:
        assert found(api, query="thing 1", top_k=50)["bundle"] == "pixels"
        answer = found(api, query="thing 1", top_k=50, bundle="small")
        assert (answer["bundle"], len(answer["hits"])) == ("small", 5)
        assert answer["hits"][0]["thumbnail"].startswith("/bundles/small/thumbnails/")
        problem = checked_problem(api.post("/search", json={"query": "a", "bundle": "large"}), 404)
        assert "pixels, small" in problem["detail"]


def test_one_encoder_serves_all_bundles_and_is_loaded_once(bundle: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.luneta"
    serving.make_bundle(small, 5)
    with serving.client(bundle, small) as api:
        engines = {id(served.searcher.engine) for served in api.app.state.bundles}
        assert len(engines) == 1


def test_plain_queries_of_all_kinds_are_answered_together_as_alone(bundle: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.luneta"
    serving.make_bundle(small, 9)
    wishes = [Wish(), Wish(top_k=3, offset=2), Wish(target="text"), Wish(exclude=(1, 2))]
    with serving.client(bundle, small) as api:
        searchers = [served.searcher for served in api.app.state.bundles]
        asked = [
            (searchers[number % 2], Query.read(f"thing {number} - 0.2*thing {number + 1}"), wishes[number % 4])
            for number in range(30)
        ]
        assert all(is_plain(query, wish) for _, query, wish in asked)
        together = searchers[0].engine._answer(asked)
        for (searcher, query, wish), hits in zip(asked, together, strict=True):
            alone = Searcher(searcher.bundle, serving.ENCODER).answer([query], wish)[0]
            assert [hit.id for hit in hits] == [hit.id for hit in alone]
            np.testing.assert_allclose([hit.score for hit in hits], [hit.score for hit in alone], atol=1e-6)
            assert hits.has_more == alone.has_more


def test_docs_need_no_network_and_the_schema_knows_every_route(api: Any) -> None:
    page = api.get("/docs").text
    assert "<script" not in page
    assert "src=" not in page
    assert "url(" not in page
    schema = api.get("/openapi.json").json()
    for path in schema["paths"]:
        assert path in page
    assert set(schema["paths"]) == {
        "/healthz", "/metrics", "/search", "/similar", "/embed", "/bundles", "/bundles/{name}",
        "/bundles/{name}/items/{id}", "/bundles/{name}/thumbnails/{id}.jpg",
    }  # fmt: skip


def test_the_examples_of_the_docs_work(api: Any) -> None:
    schema = api.get("/openapi.json").json()
    n = 0
    for path in ("/search", "/similar", "/embed"):
        examples = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        for example in examples.values():
            answer = api.post(path, json=example["value"])
            assert answer.status_code == 200, (path, example, answer.text)
            n += 1
    assert n >= 8


def test_the_calls_of_the_docs_work_as_they_stand(api: Any) -> None:
    """At the address that the page was asked at."""
    page = api.get("/docs", headers={"Host": "localhost:8123"}).text
    calls = [shlex.split(html.unescape(call)) for call in re.findall(r"<pre>(.*?)</pre>", page)]
    n_uploads = 0
    for curl, silent, address, *options in calls:
        assert (curl, silent) == ("curl", "-s")
        assert address.startswith("http://localhost:8123/")
        given = list(zip(options[::2], options[1::2], strict=True))
        fields = dict(value.split("=", 1) for option, value in given if option == "-F")
        if fields:
            n_uploads += 1
            assert fields.pop("image") == "@photo.jpg"
            answer = api.post(address, files={"image": ("photo.jpg", picture(9))}, data=fields)
        else:
            ((_, header), (_, body)) = given
            answer = api.post(address, content=body, headers=dict([header.split(": ")]))
        assert answer.status_code == 200, (options, answer.text)
    assert (len(calls) - n_uploads, n_uploads) == (8, 2)


def test_a_field_beside_a_picture_is_told_where_it_belongs(api: Any) -> None:
    files = {"image": ("a.png", picture(9))}
    for language, word in (("en", "all other fields"), ("pt", "todos os outros campos")):
        answer = api.post("/search", files=files, data={"top_k": "1"}, headers={"Accept-Language": language})
        problem = checked_problem(answer, 400)
        assert "'top_k'" in problem["detail"]
        assert word in problem["detail"]
        example = problem["detail"].split("such as " if language == "en" else "como ")[-1].rstrip(".")
        assert example == 'request={"top_k": 5}'
    assert len(ids(api.post("/search", files=files, data=dict([example.split("=")])).json())) == 5
