"""The card of a bundle: README.md, for whoever finds the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def card(record: Mapping[str, Any]) -> str:
    """What a bundle is, what is in it, and how it was measured; made from its record alone."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    data, encoder = record["dataset"], record["encoder"]
    yield f"# {data['name']}, indexed with {encoder['name']}"
    yield ""
    where = "".join(f", {key} {data[key]}" for key in ("revision", "split", "language") if data[key])
    yield f"{data['n_images']:,} pictures and {data['n_texts']:,} texts of {data['name']}{where}, made with Luneta"
    created, updated = record["created_at"][:10], record["updated_at"][:10]
    yield f"{record['luneta_version']} on {created}, last brought up to date on {updated}."
    yield ""
    yield '    luneta search FOLDER "what you are looking for"'
    yield "    luneta verify FOLDER"
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    yield f"| encoder | {encoder['name']}, {encoder['dtype']}, {encoder['embedding_dim']} numbers a vector |"
    yield f"| fingerprint | `{encoder['fingerprint'][:16]}` |"
    for side, facts in record["sides"].items():
        yield f"| {side}s | {facts['n']:,}, {_index(facts['index'])} |"
    tower = "inside, read without torch" if record["text_tower"] else f"not inside: {record['without_text_tower']}"
    yield f"| text tower | {tower} |"
    yield f"| nothing relevant | {'calibrated' if record['calibration'] else 'not calibrated'} |"
    yield f"| re-ranker | {record['reranker'] or 'none'} |"
    yield ""
    yield "The licence of pictures and texts is that of the data set; this folder holds small copies of the pictures."


def _index(facts: Mapping[str, Any]) -> str:
    queries = (facts["report"] or {}).get("queries", {})
    measured = ", ".join(f"{name} queries {found['recall']['value']:.3f}" for name, found in queries.items())
    return f"{facts['kind']} index" + (f" (recall@10 measured: {measured})" if measured else "")
