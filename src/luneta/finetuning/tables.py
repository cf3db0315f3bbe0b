"""What a fine-tuning changed, as tables for the terminal, the page and the model card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luneta.cost import OF_TABLE
from luneta.finetuning.interpolation import TARGET
from luneta.finetuning.messages import FINETUNING
from luneta.grids import Grid
from luneta.results import Metric
from luneta.terminal import WORDS
from luneta.types import DIRECTIONS
from luneta.wording import Translate, translator_of, written

if TYPE_CHECKING:
    from rich.console import RenderableType

    from luneta.finetuning.proof import Proof
    from luneta.finetuning.run import FineTuning

METRICS = ("recall@1", "recall@5", "recall@10", "mrr")


def proof_grid(proof: Proof, locale: str = "en") -> Grid:
    """Before and after on one data set, with paired differences."""
    t, rows = _translator(locale), []
    for direction in DIRECTIONS:
        for name in METRICS:
            results = (proof.before.metrics[direction][name], proof.after.metrics[direction][name])
            change = proof.comparison.difference(direction, name, 1, 0)
            cells = [_metric(metric, t, locale) for metric in results]
            cells.append(_with_limits(change.value, change.low, change.high, t, locale, sign="+"))
            rows.append((f"{t(direction)} {name}", *cells))
    rules = proof.after.protocol
    counts = {name: written(f"{rules[f'n_{name}']:,}", locale) for name in ("images", "texts")}
    return Grid(
        title=t("finetuning_proof" if proof.learnt else "finetuning_kept_proof", data=proof.name),
        header=("", t("finetuning_before"), t("finetuning_after"), t("finetuning_difference")),
        rows=tuple(rows),
        notes=(t("finetuning_proof_note", hash=rules["hash"][:12], dtype=proof.dtype, **counts),),
    )


def curve_grid(found: FineTuning, locale: str = "en") -> Grid:
    """What was learnt against what was forgotten, for mixtures of the weights."""
    t, names = _translator(locale), list(found.curve[0].recalls)
    rows = tuple(
        (
            f"{written(f'{point.alpha:g}', locale)}{' *' if point is found.chosen else ''}",
            *(written(f"{point.recalls[name]:.3f}", locale) for name in names),
        )
        for point in found.curve
    )
    return Grid(
        title=t("finetuning_curve"),
        header=(t("finetuning_alpha"), *(curve_name(name, t) for name in names)),
        rows=rows,
        notes=(t("finetuning_curve_note"),),
    )


def curve_name(name: str, t: Translate) -> str:
    """Of what the mixtures were measured on."""
    return t("finetuning_validation") if name == TARGET else name


def cost_line(found: FineTuning, locale: str = "en") -> str:
    """Time, memory, energy and money in a sentence."""
    t, cost = _translator(locale), found.cost

    def number(key: str, digits: int, factor: float = 1) -> str:
        return written(f"{float(cost[key]) * factor:,.{digits}f}", locale)

    if float(cost["wall_s"]) < 60:
        lasted = t("finetuning_lasted_seconds", n=number("wall_s", 0), device=cost["device"])
    else:
        lasted = t("finetuning_lasted", n=number("wall_s", 1, 1 / 60), device=cost["device"])
    parts = [lasted, t(f"finetuning_memory_{cost['peak_of']}", n=f"{number('peak_mib', 0)} MiB")]
    if cost.get("energy_kwh") is not None:
        parts.append(f"{number('energy_kwh', 4)} kWh")
    if cost.get("usd") is not None:
        rate = written(f"{float(cost['usd_per_hour']):g}", locale)
        parts.append(t("finetuning_usd", usd=number("usd", 3), rate=rate, source=_source(str(cost["price_from"]), t)))
    if cost.get("brl") is not None:
        parts.append(f"{number('brl', 3)} BRL")
    parts += [t("finetuning_resumed")] if cost.get("resumed") else []
    return "; ".join([*parts, t("finetuning_included")]) + "."


def caveats(found: FineTuning, locale: str = "en") -> list[str]:
    """What a reader must know before the numbers: that nothing changed, is proved, or was watched."""
    t, names = _translator(locale), []
    if not any(proof.learnt for proof in found.proofs):
        names.append("finetuning_unproved")
    if found.chosen.alpha == 0:
        learnt = max(point.recalls[TARGET] for point in found.curve) > found.chosen.recalls[TARGET]
        names.append("finetuning_lead_forgot" if learnt else "finetuning_lead_unchanged")
    if set(found.chosen.recalls) == {TARGET}:
        names.append("finetuning_unwatched")
    return [t(name) for name in names]


def _source(price_from: str, t: Translate) -> str:
    if price_from.startswith(OF_TABLE):
        return t("finetuning_price_table", month=price_from.removeprefix(OF_TABLE))
    return t(f"finetuning_price_{price_from}")


def finetuning_view(found: FineTuning, locale: str = "en") -> RenderableType:
    """The tables, the cost and the place of the checkpoint."""
    from rich.console import Group
    from rich.text import Text

    from luneta.layouts import GridView

    t = _translator(locale)
    grids = [*(proof_grid(proof, locale) for proof in found.proofs), curve_grid(found, locale)]
    lines = [
        *caveats(found, locale),
        t("finetuning_cost", cost=cost_line(found, locale)),
        t("finetuning_checkpoint", path=found.folder),
    ]
    return Group(*(GridView(grid) for grid in grids), *(Text(line) for line in lines))


def _translator(locale: str) -> Translate:
    return translator_of(locale, FINETUNING, WORDS)


def _metric(metric: Metric, t: Translate, locale: str) -> str:
    return _with_limits(metric.value, metric.low, metric.high, t, locale)


def _with_limits(
    value: float, low: float | None, high: float | None, t: Translate, locale: str, *, sign: str = ""
) -> str:
    def number(x: float) -> str:
        return written(f"{x or 0.0:{sign}.3f}", locale)  # no minus before 0

    if low is None or high is None:
        return number(value)
    return f"{number(value)} ({t('finetuning_interval', low=number(low), high=number(high))})"
