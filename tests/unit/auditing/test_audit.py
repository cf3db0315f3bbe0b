"""Planted faults are found, and named for what they are; true tables are left in peace."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import luneta
from luneta.auditing import Audit, audit
from luneta.auditing.headers import metric_of
from luneta.auditing.phrases import AUDIT, phrase
from luneta.auditing.printed import Printed
from luneta.cli import app
from luneta.errors import ConfigError
from luneta.evaluation import evaluate
from luneta.grids import Grid
from worlds import ConceptEncoder, words_of, world

THESIS = Path(__file__).parents[4] / "shared" / "thesis" / "final_results.csv"
Row = dict[str, Any]
SHARES = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10")


def truthful(rng: np.random.Generator, n_queries: int, skill: float) -> dict[str, float]:
    """Metrics of ranks that some model could have reached; of a guess in 5,000 where it has no skill."""
    ranks = rng.integers(1, 5000, n_queries)
    if skill:
        ranks = np.where(rng.random(n_queries) < 0.3, rng.integers(1, 2000, n_queries), rng.geometric(skill, n_queries))
    found = {f"recall@{k}": float((ranks <= k).mean()) for k in (1, 5, 10)}
    found["mrr"] = float((1 / ranks).mean())
    found["ndcg@10"] = float(np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0).mean())
    found["median_rank"] = float(np.median(ranks))
    return found


def show(value: float, decimals: int, percent: bool = False, rounding: str = ROUND_HALF_EVEN) -> str:
    exact = Decimal(value) * (100 if percent else 1)
    return str(exact.quantize(Decimal(1).scaleb(-decimals), rounding=rounding))


def write(path: Path, rows: Sequence[Row]) -> Path:
    names = list(rows[0])
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table(
    seed: int, decimals: int = 5, percent: bool = False, rounding: str = ROUND_HALF_EVEN, guesses: float = 0.0
) -> list[Row]:
    """A truthful table: every data set has its own number of queries, which all models share.

    A share of the models guesses, so that their percentages are low.
    """
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for data in range(int(rng.integers(1, 4))):
        n_queries = int(np.exp(rng.uniform(np.log(40), np.log(30_000))))
        for model in range(int(rng.integers(1, 7))):
            found = truthful(rng, n_queries, 0.0 if rng.random() < guesses else float(rng.uniform(0.05, 0.9)))
            median = found.pop("median_rank")
            printed = {name: show(value, decimals, percent, rounding) for name, value in found.items()}
            rows.append({"model": f"m{model}", "dataset": f"d{data}", **printed, "MedR": f"{median:g}"})
            rows[-1]["truth"] = n_queries
    return rows


def kinds(found: Audit, verdict: str = "proved") -> set[tuple[int | None, str]]:
    return {(finding.row, finding.kind) for finding in found.findings if finding.verdict == verdict}


@pytest.mark.parametrize("seed", range(200))
def test_true_tables_are_never_said_to_be_false(tmp_path: Path, seed: int) -> None:
    decimals, percent = [(5, False), (4, False), (3, False), (2, True), (1, True), (3, True)][seed % 6]
    rounding = ROUND_DOWN if seed % 5 == 0 else ROUND_HALF_EVEN
    rows = table(seed, decimals, percent, rounding, guesses=(0.0, 0.3, 1.0)[seed % 7 % 3])
    stated, marked = seed % 2 == 0, percent and seed % 4 < 2
    for i, row in enumerate(rows):
        row["n_queries"] = row.pop("truth") if stated else ""
        rows[i] = {f"{name} (%)" if marked and name in SHARES else name: value for name, value in row.items()}
    found = audit(write(tmp_path / "t.csv", rows))
    assert kinds(found) == set()


def in_tables(rows: Sequence[Row], form: str, titled: bool) -> str:
    """The same rows, a table for every data set, which only a heading or caption names, or nothing."""
    shown = ""
    for data in dict.fromkeys(row["dataset"] for row in rows):
        own = [
            {name: cell for name, cell in row.items() if name != "dataset"} for row in rows if row["dataset"] == data
        ]
        title, header, cells = f"Results on {data}", tuple(own[0]), tuple(tuple(map(str, row.values())) for row in own)
        if form == "csv":  # tables one below the other
            shown += f"{title if titled else ''}\n" + "\n".join(",".join(line) for line in (header, *cells)) + "\n\n"
            continue
        written = Grid(title if titled else "", header, cells).write(form)
        if form == "markdown" and seeded(data):
            written = written.replace(f"**{title}**", f"## {title}")
        if not titled:
            written = re.sub(r"\*\*\*\*|<caption></caption>|\\caption\{\.\}", "", written)
        shown += written + "\n"
    return shown


def seeded(data: str) -> bool:
    return data.endswith("1")


def side_by_side(rows: Sequence[Row]) -> str:
    """The same rows as one CSV table: the data sets' names stand over the first of their columns."""
    names = list(dict.fromkeys(row["dataset"] for row in rows))
    metrics = [name for name in rows[0] if name not in ("model", "dataset", "n_queries")]
    by_model = {(row["model"], row["dataset"]): row for row in rows}
    lines = ["", "model"]
    for name in names:
        lines[0] += f",{name}" + "," * (len(metrics) - 1)
        lines[1] += "".join(f",{metric}" for metric in metrics)
    for model in dict.fromkeys(row["model"] for row in rows):
        found = [by_model.get((model, name), {}) for name in names]
        lines.append(",".join([model, *(str(row.get(metric, "")) for row in found for metric in metrics)]))
    return "\n".join(lines) + "\n"


FORMS = {"markdown": "md", "html": "html", "latex": "tex", "csv": "csv"}


@pytest.mark.parametrize("seed", range(84))
def test_several_true_tables_of_one_file(tmp_path: Path, seed: int) -> None:
    decimals, percent = [(5, False), (4, False), (3, False), (2, True), (1, True)][seed % 5]
    rows = table(seed, decimals, percent, guesses=0.2)
    form = [*FORMS][seed % 4]
    for i, row in enumerate(rows):
        n_queries = row.pop("truth")
        rows[i] = {f"{name} (%)" if percent and name in SHARES else name: value for name, value in row.items()}
        if seed % 3 == 0:
            rows[i]["n_queries"] = n_queries
    path = tmp_path / f"t.{FORMS[form]}"
    path.write_text(in_tables(rows, form, titled=seed % 7 > 2))
    found = audit(path)
    assert kinds(found) == set()
    assert [f for f in found.findings if f.kind == "copies"] == []
    assert found.n_rows == len(rows)
    path = tmp_path / "t.csv"
    path.write_text(side_by_side(rows))
    found = audit(path)
    assert kinds(found) == set()
    assert [f for f in found.findings if f.kind == "copies"] == []


@pytest.mark.parametrize("seed", range(9))
@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("stated", [True, False])
def test_floats_that_are_printed_whole(tmp_path: Path, seed: int, precision: type, stated: bool) -> None:
    """The last digits of a float are those of the nearest binary number, not of the share."""
    rng = np.random.default_rng(seed)
    n_queries = int(rng.integers(100, 30_000))
    scale = 100 if seed % 3 == 0 else 1
    rows: list[Row] = []
    for model in range(6):
        found = {name: precision(value) * precision(scale) for name, value in truthful(rng, n_queries, 0.3).items()}
        del found["median_rank"]
        rows.append({"model": f"m{model}", "dataset": "d", **{name: str(value) for name, value in found.items()}})
        rows[-1] |= {"n": n_queries} if stated else {}
    found_in = audit(write(tmp_path / "t.csv", rows))
    assert kinds(found_in) == set()
    assert found_in.counts == {"d": n_queries}
    rows[2]["recall@1"] = str(float(rows[2]["recall@1"]) + 0.4 * scale / n_queries)
    proved = kinds(audit(write(tmp_path / "t.csv", rows)))
    assert proved == {(2, "count")} if stated else proved <= {(2, "count")}


@pytest.mark.parametrize(
    "text",
    ["model,n,R@1,R@5\nchance,1000,0.00499,0.02475\nRandom guess,1000,0.00499,0.02475\n",
     "model,dataset,n,R@1,R@5\na,average,1000,0.39833,0.60183\n", "model,n,R@1\na,1000,0.39833 ± 0.004\n",
     "model,n,R@1\na,1000,0.39833 (0.00400)\n", "Mean over 3 seeds,,\nmodel,n,R@1\na,1000,0.39833\n",
     "model,queries,mean R@1,COCO R@1,Flickr R@1\na,1000,0.55556,0.39800,0.71312\n",  # another number for Flickr30k
     "model,n_texts,T2I R@1,I2T R@1\na,5000,0.39840,0.39833\n"],
)  # fmt: skip
def test_what_is_no_whole_number_of_these_queries(tmp_path: Path, text: str) -> None:
    """Means, expectations, and other directions and data than the count is of."""
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert kinds(audit(path)) == set()
    path.write_text("model,n_texts,T2I R@1,I2T R@1\na,5000,0.39843,0.39833\n")
    assert kinds(audit(path)) == {(0, "count")}


def test_tables_of_one_file_are_about_what_is_said_above_them(tmp_path: Path) -> None:
    """Copies are suspicious where a column names the data and nothing else tells the tables apart; never proved."""
    path = tmp_path / "t.md"

    def write_tables(above: str, between: str, columns: str = "model|dataset|R@1|R@5", data: str = "COCO|") -> Audit:
        rule = "|".join("-" * len(columns.split("|")))
        tables = [f"|{columns}|\n|{rule}|\n|A|{data}{numbers}|\n" for numbers in ("0.401|0.655", "0.675|0.883")]
        path.write_text(f"{above}\n\n{tables[0]}\n{between}\n\n{tables[1]}")
        return audit(path)

    found = write_tables("# Results", "")
    assert kinds(found) == set()
    assert kinds(found, "suspicious") == {(1, "copies")}
    assert found.findings[-1].explanation.startswith("A, Results (tab. 2), COCO: row 0 says the same is other numbers")
    for above, between in (("# COCO", "# COCO, 1K"), ("", "On the thousand:"), ("**5K**", "**1K**")):
        assert write_tables(above, between).findings == []
    assert write_tables("# Results", "", "model|R@1|R@5", "").findings == []
    assert write_tables("## COCO", "## Flickr30k", "model|R@1|R@5", "").findings == []


@pytest.mark.parametrize(
    "text",
    ["table,model,r@1,r@5\n1,a,0.401,0.655\n2,a,0.675,0.883\n",  # nothing says that they are of the same data
     "table,model,dataset,r@1,r@5\nCOCO 1K,a,coco,0.675,0.883\nCOCO 5K,a,coco,0.401,0.655\n",
     "table,dataset,r@1,r@5\n1,coco,0.675,0.883\n2,coco,0.401,0.655\n",  # of another model
     "table,model,training data,r@1\n1,a,cc3m,0.675\n2,a,cc3m,0.401\n",
     "table,model,dataset,r@1\n1,a,COCO (1K),0.675\n2,a,COCO (5K),0.401\n",
     "table,model,dataset,r@1\n1,a,coco,0.675\n2,a†,coco,0.401\n",
     "table,model,dataset,r@1\n1,a,coco,0.675\n2,a,coco,0.674\n"],  # one rounded, one cut off
)  # fmt: skip
def test_rows_of_separate_places_that_may_both_be_true(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert audit(path).findings == []


@pytest.mark.parametrize(
    "columns",
    [("model", "dataset"), ("model", "T2I"), ("setting", "COCO"), ("model", "zero-shot"), ("model", "section")],
)
def test_other_counts_are_proved_only_where_columns_say_that_data_are_the_same(
    tmp_path: Path, columns: tuple[str, str]
) -> None:
    """Rows of 5,000 and of 500 queries; a block, an unnamed column or a line between may be about other data."""
    rng = np.random.default_rng(0)
    rows, divided = [], columns[1] == "section"
    block = columns[1] if columns[1] not in ("dataset", "section") else ""
    for i, n in enumerate((4973, 4973, 4973, 4973, 500)):
        found = truthful(rng, n, 0.3 + i / 20)
        row: Row = {columns[0]: f"m{i}"} | ({} if block else {"dataset": "d"})
        rows.append(row | {f"{block} {k}".strip(): show(found[k], 5) for k in ("recall@1", "recall@5", "recall@10")})
    path = write(tmp_path / "t.csv", rows)
    if divided:
        lines = path.read_text().splitlines()
        path.write_text("\n".join([lines[0], "5K test,,,,", *lines[1:5], "500 test,,,,", lines[5]]) + "\n")
    proved = kinds(audit(path))
    assert proved == ({(4, "count")} if columns == ("model", "dataset") else set())


def test_a_leaderboard_of_ours_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two protocols, tables one below the other in every format."""
    monkeypatch.setenv("LUNETA_CACHE", str(tmp_path / "cache"))
    for n in (60, 90):
        for noise in (1.6, 1.0):
            evaluation = evaluate(ConceptEncoder(noise=noise, name=f"noise {noise}"), world(n), cache=False)
            evaluation.save(tmp_path / "results" / f"{n}" / f"{noise}.json")
    for form, ending in FORMS.items():
        for locale in ("en", "pt-BR"):
            grids = luneta.leaderboard(tmp_path / "results").grids(locale)
            path = tmp_path / f"board.{ending}"
            path.write_text("\n".join(grid.write(form) for grid in grids))
            found = audit(path)
            assert found.n_rows == 6
            assert {f.kind for f in found.findings} <= {"noise"}


def test_a_percent_sign_in_the_header_is_the_unit_of_its_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("model,R@1 (%),R@5 (%),R@10 (%),MRR (%)\na,0.1,0.4,0.9,1.2\nb,0.6,0.4,0.9,1.2\n")
    found = audit(path)
    assert kinds(found) == {(1, "order")}
    assert kinds(found, "suspicious") == set()
    path.write_text(",COCO (%),,,Flickr,,\nmodel,R@1,R@5,MRR,R@1,R@5,MRR\na,0.1,0.4,0.9,0.51,0.64,0.41\n")
    assert kinds(audit(path)) == {(0, "bounds")}


@pytest.mark.parametrize("header", ["", " (%)"])
def test_low_percentages_are_not_taken_for_impossible_fractions(tmp_path: Path, header: str) -> None:
    """Somebody's guesses beside models, marked or not; a table of guesses alone."""
    names = ",".join(f"{name}{header}" for name in ("R@1", "R@5", "R@10", "MRR"))
    path = tmp_path / "t.csv"
    for rows in ("chance,0.020,0.100,0.200,0.182\na,39.8,64.6,74.3,50.4\n", "a,0.1,0.4,0.9,1.2\n",
                 "chance,0.020,0.100,0.200,0.182\n"):  # fmt: skip
        path.write_text(f"model,{names}\n{rows}")
        assert kinds(audit(path)) == set()
    path.write_text("model,R@1,R@5,R@10,MRR\na,0.398,0.646,0.743,0.904\nb,0.398,0.646,0.743,0.504\n")
    found = audit(path)  # three decimals could be percent; with a number of queries, or more decimals, they could not
    assert (0, "units") in kinds(found, "suspicious")
    assert "As fractions, recall@1 = 0.398" in found.findings[0].explanation
    assert kinds(audit(path, queries=1000)) == {(0, "bounds")}
    path.write_text(path.read_text().replace("0.904", "0.9040"))
    assert kinds(audit(path)) == {(0, "bounds")}


def test_the_count_is_read_from_the_digits(tmp_path: Path) -> None:
    right, said = 0, 0
    for seed in range(40):
        rows = table(seed)
        truth = {row["dataset"]: row.pop("truth") for row in rows}
        for data, n_queries in audit(write(tmp_path / "t.csv", rows)).counts.items():
            said += 1
            right += truth[data] == n_queries
    assert said >= 40
    assert right == said


@pytest.mark.parametrize("n_queries", [1, 7, 30, 99])
def test_hits_are_whole_numbers(n_queries: int) -> None:
    """Against all shares there are, printed with two decimals."""
    shares = [Fraction(hits, n_queries) for hits in range(n_queries + 1)]
    for step in range(101):
        number = Printed("", Fraction(step, 100), Fraction(1, 100))
        possible = any(abs(share - number.value) <= Fraction(1, 200) for share in shares)
        assert (number.hits(n_queries) is not None) == possible
        assert bool(number.fits(np.array([n_queries]))[0]) == possible


def plant_falling(rows: list[Row]) -> None:
    rows[1]["recall@5"] = show(float(rows[1]["recall@1"]) - 0.01, 5)


def plant_share(rows: list[Row]) -> None:
    rows[1]["mrr"] = "-0.10000"


def plant_mrr(rows: list[Row]) -> None:
    rows[1]["mrr"] = show(float(rows[1]["recall@1"]) - 0.001, 5)


def plant_ndcg(rows: list[Row]) -> None:
    rows[1]["ndcg@10"] = show(float(rows[1]["recall@10"]) + 0.001, 5)


def plant_median(rows: list[Row]) -> None:
    rows[1]["MedR"] = "900"


@pytest.mark.parametrize(
    ("plant", "kind"),
    [(plant_falling, "order"), (plant_share, "range"), (plant_mrr, "bounds"), (plant_ndcg, "bounds"),
     (plant_median, "bounds")],
)  # fmt: skip
def test_impossible_cells_are_proved(tmp_path: Path, plant: Callable[[list[Row]], None], kind: str) -> None:
    rng = np.random.default_rng(3)
    rows: list[Row] = []
    for model in range(3):
        found = truthful(rng, 1237, 0.7)
        rows.append({"model": f"m{model}", "dataset": "d", **{k: show(v, 5) for k, v in found.items()}})
        rows[-1]["MedR"] = rows[-1].pop("median_rank")
    assert kinds(audit(write(tmp_path / "t.csv", rows))) == set()
    plant(rows)
    proved = {(row, k) for row, k in kinds(audit(write(tmp_path / "t.csv", rows))) if k != "count"}
    assert proved == {(1, kind)}


@pytest.mark.parametrize("way", ["argument", "column", "named column"])
def test_a_share_that_no_number_of_hits_gives(tmp_path: Path, way: str) -> None:
    rows: list[Row] = [
        {"model": "a", "r@1": "0.33333"},
        {"model": "b", "r@1": "0.35000"},
    ]  # 0.35 of 600, not of 300 + 1
    arguments: dict[str, Any] = {"queries": 600} if way == "argument" else {}
    if way == "column":
        rows = [{**row, "queries": "600"} for row in rows]
    if way == "named column":
        rows = [{**row, "perguntas": "600"} for row in rows]
        arguments = {"queries_column": "perguntas"}
    assert kinds(audit(write(tmp_path / "t.csv", rows), **arguments)) == set()
    rows[1]["r@1"] = "0.35100"
    found = audit(write(tmp_path / "t.csv", rows), **arguments)
    assert kinds(found) == {(1, "count")}
    (finding,) = [f for f in found.findings if f.verdict == "proved"]
    assert "210 of 600 is 0.350000" in finding.explanation
    assert "211 of 600 is 0.351667" in finding.explanation


def test_rows_of_one_data_set_on_other_queries(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = [4973, 4973, 4973, 500, 4973, 4973]
    rows = [
        {"model": f"m{i}", "dataset": "d"} | {k: show(v, 5) for k, v in truthful(rng, n, 0.3 + i / 20).items()}
        for i, n in enumerate(counts)
    ]
    for row in rows:
        del row["median_rank"]
    found = audit(write(tmp_path / "t.csv", rows))
    assert kinds(found) == {(3, "count")}
    assert found.counts == {"d": 4973}
    assert "fits 500" in next(f.explanation for f in found.findings if f.row == 3)
    for row in rows:  # without a word on the data, other rows may be other data
        del row["dataset"]
    found = audit(write(tmp_path / "t.csv", rows))
    assert kinds(found) == set()
    assert (3, "count") in kinds(found, "suspicious")


def test_copies_that_disagree(tmp_path: Path) -> None:
    rows = [
        {"table": "1", "model": "a", "dataset": "d", "r@1": "0.412", "r@5": "0.700"},
        {"table": "1", "model": "b", "dataset": "d", "r@1": "0.300", "r@5": "0.600"},
        {"table": "2", "model": "a (updated)", "dataset": "D", "r@1": "0.312", "r@5": "0.600"},
        {"table": "2", "model": "b", "dataset": "d", "r@1": "0.30", "r@5": "0.6"},
    ]
    found = audit(write(tmp_path / "t.csv", rows))
    assert kinds(found) == {(2, "copies")}
    assert "off by exactly 0.1" in found.findings[0].explanation
    two_runs = [{k: v for k, v in row.items() if k != "table"} for row in rows]
    found = audit(write(tmp_path / "t.csv", two_runs))
    assert kinds(found) == set()
    assert (2, "copies") in kinds(found, "suspicious")
    two_models = [{**row, "epochs": i} for i, row in enumerate(rows)]
    assert kinds(audit(write(tmp_path / "t.csv", two_models)), "suspicious") == set()


def test_differences_within_the_noise(tmp_path: Path) -> None:
    rows = [
        {"model": m, "dataset": "d", "r@1": v, "n": 1000} for m, v in (("a", "0.500"), ("b", "0.495"), ("c", "0.300"))
    ]
    (finding,) = audit(write(tmp_path / "t.csv", rows)).findings
    assert (finding.kind, finding.verdict, finding.row) == ("noise", "suspicious", None)
    assert "a over b by 5 hits of 1,000" in finding.explanation
    assert "over c" not in finding.explanation


def test_brazilian_numbers_and_percent(tmp_path: Path) -> None:
    path = tmp_path / "tabela.csv"
    path.write_text(
        "modelo;conjunto;consultas;R@1 (%);R@5 (%);MRR\na;x;8.279;39,80;64,65;0,51\nb;x;8.279;40,00;39,00;0,51\n"
    )
    found = audit(path)
    assert found.counts == {"x": 8279}
    assert (1, "order") in kinds(found)
    assert "39,00" in found.findings[0].explanation


@pytest.mark.parametrize(
    ("recall", "rank", "verdict"),
    [("4,65", "1.234", None), ("4.65", "1,234", None), ("4,65", "1.234.567", None), ("4,65", "1.100,5", None),
     ("4.65", "1 234", None), ("4.65", "2.000", "proved"), ("4,65", "2,000", "proved"), ("4", "1.234", "unreadable"),
     ("4,65", "7", "proved"), ("4,65", "1.2.3", "unreadable")],
)  # fmt: skip
def test_ranks_in_thousands(tmp_path: Path, recall: str, rank: str, verdict: str | None) -> None:
    """Where 4.65 % are found by rank 10, a median of 1.234 is impossible, and one of 1 234 is not."""
    path = tmp_path / "t.csv"
    path.write_text(f"modelo;consultas;R@10 (%);MedR\na;8.279;{recall};{rank}\n")
    found = [(f.verdict, f.kind) for f in audit(path).findings if f.kind != "count"]
    assert found == {"proved": [("proved", "bounds")], "unreadable": [("suspicious", "unreadable")], None: []}[verdict]


def test_rows_without_a_count_are_judged_by_their_digits(tmp_path: Path) -> None:
    """A column of counts with gaps: some empty, some with a dash; stated counts bind their own rows only."""
    rng = np.random.default_rng(2)
    rows: list[Row] = []
    for model in range(6):
        found = truthful(rng, 4973, 0.3 + model / 20)
        del found["median_rank"]
        rows.append({"model": f"m{model}", "dataset": "d", **{k: show(v, 5) for k, v in found.items()}})
        rows[-1]["n_queries"] = ["4973", "", "–", "n/a", "4973", ""][model]
    found = audit(write(tmp_path / "t.csv", rows))
    assert kinds(found) == set()
    assert found.counts == {"d": 4973}
    rows[1]["recall@1"] = show(float(rows[1]["recall@1"]) + 0.0001, 5)
    rows[4]["recall@1"] = show(float(rows[4]["recall@1"]) + 0.0001, 5)
    proved = kinds(audit(write(tmp_path / "t.csv", rows)))
    assert (4, "count") in proved
    assert {row for row, _ in proved} <= {1, 4}


def test_mixed_percent_and_fractions_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("model,r@1,r@5\na,39.8,64.6\nb,0.412,0.655\nc,41.0,66.0\nd,oops,70.0\n")
    found = audit(path)
    assert kinds(found) == set()
    assert kinds(found, "suspicious") == {(1, "units"), (3, "unreadable")}


@pytest.mark.parametrize(
    ("header", "expected"),
    [("recall@1", ("recall@1", "")), ("R1", ("recall@1", "")), ("T2I R@10 (%)", ("recall@10", "T2I")),
     ("Recall at 5", ("recall@5", "")), ("COCO / recall_5", ("recall@5", "COCO")), ("hit@1", ("recall@1", "")),
     ("MRR", ("mrr", "")), ("MRR@10", ("mrr@10", "")), ("nDCG@10 ↑", ("ndcg@10", "")), ("mAP@10", ("map@10", "")),
     ("MedR", ("median_rank", "")), ("recall@1|1000", None), ("model", None), ("year", None), ("ResNet50", None),
     ("params", None), ("Revocação@5", ("recall@5", "")), ("R2", None), ("r2", None), ("R^2", None), ("R²", None),
     ("R^10", None), ("R-2", None), ("COCO R10", ("recall@10", "COCO")), ("R@2", ("recall@2", "")),
     ("recall_2", ("recall@2", "")), ("R@0", None), ("nDCG@0", None), ("R@1 std", None), ("ΔR@1", None),
     ("R@5 gain", None), ("R@1_low", None), ("Recall R@5 (%)", ("recall@5", "")),
     ("slow R@1", ("recall@1", "slow"))],
)  # fmt: skip
def test_columns_by_their_names(header: str, expected: tuple[str, str] | None) -> None:
    assert metric_of(header) == expected


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [("model,accuracy\na,0.5\n", {}, "no column of a retrieval metric"),
     ("model,r@1\na,?\nb,5 apples\n", {}, "hold no number|no table"),
     ("model,r@1,n\na,0.5,few\n", {}, "not a number of queries"),
     ("model,r@1\na,0.5\n", {"queries_column": "r@2"}, "Did you mean"),
     ("model,r@1\na,0.5\n", {"queries": 0}, "at least 1")],
)  # fmt: skip
def test_bad_tables_are_refused(tmp_path: Path, text: str, arguments: dict[str, Any], message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        audit(path, **arguments)


def test_groups_of_columns_are_read_apart(tmp_path: Path) -> None:
    """A fault in the first group, which the second one would hide; names carried over what they stand for."""
    path = tmp_path / "t.csv"
    path.write_text(",COCO,,,Flickr,,\nmodel,R@1,R@5,R@10,R@1,R@5,R@10\na,40.1,39.5,75.6,67.5,88.3,93.0\n")
    (finding,) = audit(path).findings
    assert (finding.kind, finding.column, finding.verdict) == ("order", "COCO R@5", "proved")
    assert "a, COCO" in finding.explanation


@pytest.mark.parametrize(
    ("header", "numbers", "groups"),
    [("R@1,R@5,R@1,R@5", "40.1,65.5,67.5,88.3", "#2,3; #4,5"), ("R@1,R@1,R@5,R@5", "40.1,67.5,65.5,88.3", "#2,4; #3,5"),
     ("R@1,R@5,R@1,R@5,MRR", "40.1,65.5,67.5,88.3,76.1", "#2,3; #4,5; #6"),
     ("COCO R@1,COCO R@1,MRR", "40.1,67.5,76.1", "#2; #3")],
)  # fmt: skip
def test_columns_of_one_name_are_kept_apart_and_said_to_be(
    tmp_path: Path, header: str, numbers: str, groups: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"model,{header}\na,{numbers}\n")
    (finding,) = audit(path).findings
    assert (finding.kind, finding.verdict) == ("columns", "suspicious")
    assert groups in finding.explanation
    path.write_text(f"model,{header}\na,{numbers.replace('40.1', '98.1')}\n")
    assert kinds(audit(path)) == ({(0, "order")} if "R@5" in header else set())


def test_recall_at_a_hundredth_is_another_metric(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("model,R@1,R@1%,R@5\na,80.1,97.5,92.0\n")
    assert audit(path).findings == []


@pytest.mark.parametrize(
    "text",
    ["model,R2,R@5,R@10\na,0.91,0.50,0.60\n", "model,R@1,R@1 std,R@5,R@5 std\na,0.40,0.05,0.60,0.01\n",
     "model,R@1,R@1 gain,R@5\na,0.40,-0.05,0.60\n", "model,R@0,R@5,nDCG@0,mrr\na,0.9,0.5,0.1,0.4\n"],
)  # fmt: skip
def test_columns_that_only_look_like_recalls_prove_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert audit(path).findings == []


def test_the_command_line(tmp_path: Path) -> None:
    good = write(tmp_path / "good.csv", [{"model": "a", "r@1": "0.5", "r@5": "0.6"}])
    bad = write(tmp_path / "bad.csv", [{"model": "a", "r@1": "0.60", "r@5": "0.50"}])
    run = CliRunner()
    assert run.invoke(app, ["audit", str(good)]).exit_code == 0
    found = run.invoke(app, ["audit", str(bad), "--json"])
    assert found.exit_code == 1
    (finding,) = json.loads(found.stdout)
    assert set(finding) == {"row", "column", "kind", "verdict", "explanation"}
    assert (finding["row"], finding["column"], finding["verdict"]) == (0, "r@5", "proved")
    assert "recall@5 = 0.50 is below recall@1 = 0.60" in run.invoke(app, ["audit", str(bad)]).stdout
    broken = tmp_path / "broken.csv"
    broken.write_text('model,r@1\n"a,0.5\n' + "x" * 140_000)
    assert run.invoke(app, ["audit", str(broken)]).exit_code == 2


def test_every_finding_is_told_in_portuguese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables with every kind of finding: no English word is left, and what was printed stays as it was."""
    rows = [
        {"place": "1", "modelo": "a", "r@1": "0.60", "r@5": "0.50", "mrr": "-0.2", "MedR": "1", "n": "100"},
        {"place": "1", "modelo": "b", "r@1": "0.10", "r@5": "0.50", "mrr": "0.90", "MedR": "9", "n": "100"},
        {"place": "1", "modelo": "b", "r@1": "0.105", "r@5": "0.50", "mrr": "0.205", "MedR": "2", "n": "100"},
        {"place": "1", "modelo": "c", "r@1": "0.20", "r@5": "0.55", "mrr": "0.35", "MedR": "3", "n": "100"},
        {"place": "1", "modelo": "d", "r@1": "0.21", "r@5": "oops", "mrr": "0.35", "MedR": "3", "n": "100"},
        {"place": "1", "modelo": "", "r@1": "30.0", "r@5": "55.0", "mrr": "0.45", "MedR": "4", "n": ""},
    ]
    rng = np.random.default_rng(0)
    sizes = [4973, 4973, 4973, 500, 4973, 4973]
    of_digits = [
        {"modelo": f"m{i}", "data": "d", **{k: show(v, 5) for k, v in truthful(rng, n, 0.3 + i / 20).items()}}
        for i, n in enumerate(sizes)
    ]
    close = [{"modelo": m, "r@1": v, "n": 1000} for m, v in (("a", "0.500"), ("b", "0.495"))]
    monkeypatch.chdir(tmp_path)
    tables = [write(Path(f"{i}.csv"), table) for i, table in enumerate((rows, of_digits, close))]
    run, shown = CliRunner(env={"COLUMNS": "1000"}), ""
    for path in tables:
        shown += run.invoke(app, ["audit", str(path), "--locale", "pt-BR"]).stdout
        english = run.invoke(app, ["audit", str(path), "--json"]).stdout
        portuguese = run.invoke(app, ["audit", str(path), "--json", "--locale", "pt-BR"]).stdout
        assert english == portuguese
        assert json.loads(english) == [finding.to_dict() for finding in audit(path).findings]
    found = [finding for path in tables for finding in audit(path).findings]
    assert {finding.kind for finding in found} >= {"order", "range", "bounds", "count", "copies", "noise", "units"}
    for said in ("recall@5 = 0.50 fica abaixo de recall@1 = 0.60", "'oops' não é um número e ficou de fora",
                 "4.973 consultas", "Provado", "Suspeito", "linha 0, r@5, ordem", "1 para 10^"):  # fmt: skip
        assert said in shown
    foreign = {"row", "rows", "of", "the", "is", "queries", "below", "hits", "over", "proved", "count", "number"}
    assert words_of(shown) & foreign == set()
    assert "Não se achou nada" in run.invoke(
        app, ["audit", str(write(Path("good.csv"), [{"model": "a", "r@1": "0.5"}])), "--locale", "pt-BR"]
    ).stdout  # fmt: skip


def test_both_languages_say_the_same_parameters() -> None:
    for english, portuguese in AUDIT.values():
        fields = [{part[1:] for part in string.Formatter().parse(text)} for text in (english, portuguese)]
        assert fields[0] == fields[1]
    assert phrase("two_readings", cell="1.234", one="1234", other="1.234").text() == (
        "'1.234' could be 1234 or 1.234 and was left out"
    )


@pytest.mark.skipif(not THESIS.exists(), reason="the study's tables are not beside this checkout")
def test_a_published_study() -> None:
    found = audit(THESIS)
    assert found.counts == {
        "laicsiifes/coco-captions-pt-br": 8279, "laicsiifes/flickr8k-pt-br": 600, "laicsiifes/flickr30k-pt-br": 2900,
        "lmms-lab/flickr30k": 3179, "Artificio/WikiArt": 10325, "Marqo/deepfashion-multimodal": 4254,
    }  # fmt: skip
    assert kinds(found) == {(27, "count"), (44, "count"), (65, "copies")}
    portuguese_siglip = {(row, "count") for row in (28, 29, 50, 56)}
    assert kinds(found, "suspicious") == portuguese_siglip | {(65, "count"), (None, "noise")}
