"""Evaluations as tables for the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from luneta.encoders.presets import BUNDLED, find_preset
from luneta.grids import Grid
from luneta.layouts import Name, heading, plain_table, titled
from luneta.slicing import SMALLEST_SLICE
from luneta.types import DIRECTIONS
from luneta.wording import Messages, p_value, translator_of, written

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from luneta.comparison import Comparison
    from luneta.languages import LanguageGap
    from luneta.results import Evaluation, Metric

SHOWN = ("recall@1", "recall@5", "recall@10", "mrr", "ndcg@10", "median_rank")

WORDS: Messages = {
    "text_to_image": ("text → image", "texto → imagem"),
    "image_to_text": ("image → text", "imagem → texto"),
    "table_encoder": ("encoder", "codificador"),
    "table_median_rank": ("median\nrank", "posição\nmediana"),
    "table_rule_merge": ("merge", "unidas (merge)"),
    "table_rule_near": ("near", "quase iguais também (near)"),
    "table_rule_strict": ("strict", "só os pares dados (strict)"),
    "table_chance": ("chance", "acaso"),
    "table_doctor": (
        "Do not trust {encoder} yet: {check}: {found} (luneta doctor says more)",
        "Ainda não confie em {encoder}: {check}: {found} (luneta doctor diz mais)",
    ),
    "table_note": (
        "{data}: {images} images, {texts} texts; duplicates: {duplicates}; skipped: {skipped}; captions longer than "
        "the encoder reads, cut: {cut}; protocol {protocol}; below each value its 95 % interval",
        "{data}: {images} imagens, {texts} textos; duplicatas: {duplicates}; deixadas de fora: {skipped}; legendas "
        "mais longas do que o codificador lê, cortadas: {cut}; protocolo {protocol}; sob cada valor, o seu intervalo "
        "de 95 %",
    ),
    "table_drawings": (
        "{encoder}: {note}. For pictures of your own name another with --encoder; luneta encoders lists some.",
        "{encoder}: {note}. Para imagens suas, indique outro com --encoder; luneta encoders lista alguns.",
    ),
    "table_drawings_each": (
        "{encoder}: {note}. For pictures of your own name another with --encoder; luneta encoders lists some.",
        "{encoder}: cada um {note}. Para imagens suas, indique outro com --encoder; luneta encoders lista alguns.",
    ),
    "table_not_known": ("not known", "não se sabe"),
    "table_from_to": ("{low} to {high}", "{low} a {high}"),
    "table_compared": ("{metric} on {data}", "{metric} em {data}"),
    "table_protocol": ("Protocol {hash}.", "Protocolo {hash}."),
    "table_interval": ("95 % interval", "intervalo de 95 %"),
    "table_p": ("p (Holm)", "p (Holm)"),
    "table_pair": ("first - second", "primeiro - segundo"),
    "table_difference": ("difference", "diferença"),
    "table_wins": ("better on", "melhor em"),
    "table_losses": ("worse on", "pior em"),
    "table_sure": ("sure", "certa"),
    "table_unsure": ("not sure", "incerta"),
    "table_one_comparison": (
        "Paired by query; intervals by bootstrap over clusters of related queries, p by a randomisation test, "
        "corrected for {n} comparison (Holm).",
        "Pareado por consulta; intervalos por bootstrap sobre grupos de consultas aparentadas, p por um teste de "
        "aleatorização, corrigido para {n} comparação (Holm).",
    ),
    "table_comparisons": (
        "Paired by query; intervals by bootstrap over clusters of related queries, p by a randomisation test, "
        "corrected for {n} comparisons (Holm).",
        "Pareado por consulta; intervalos por bootstrap sobre grupos de consultas aparentadas, p por um teste de "
        "aleatorização, corrigido para {n} comparações (Holm).",
    ),
    "table_slices": ("recall@1 by slices", "recall@1 por partes"),
    "table_direction": ("direction", "direção"),
    "table_slice": ("slice", "parte"),
    "table_queries": ("queries", "consultas"),
    "slice_words": ("words", "palavras"),
    "slice_characters": ("characters", "caracteres"),
    "slice_relevant items": ("relevant items", "itens relevantes"),
    "slice_group size": ("group size", "tamanho do grupo"),
    "table_no_value": ("(none)", "(nenhum)"),
    "table_arrows": (
        "▲ ▼ the 95 % interval of the paired difference to the first encoder excludes 0 (not corrected).",
        "▲ ▼ o intervalo de 95 % da diferença pareada ao primeiro codificador exclui 0 (sem correção).",
    ),
    "table_too_small": (
        "{direction}, {name}: queries in no part: {n} (values that fewer than {least} queries share: {values}).",
        "{direction}, {name}: consultas fora das partes: {n} (valores comuns a menos de {least} consultas: {values}).",
    ),
    "table_language": ("language", "idioma"),
    "table_images": ("images", "imagens"),
    "table_gap": ("gap", "distância"),
    "table_writing_without accents": ("without accents", "sem acentos"),
    "table_writing_UPPER CASE": ("UPPER CASE", "MAIÚSCULAS"),
    "table_writing_lower case": ("lower case", "minúsculas"),
    "table_against": ("against", "contra"),
    "table_reference": ("reference", "referência"),
    "table_gaps_note": (
        "A language is held against the first one, a way of writing against the usual one, picture by picture: both on "
        "the pictures that have captions in both, ranked among these alone. Intervals by bootstrap over clusters of "
        "related pictures; p by a randomisation test, corrected for all gaps of the table (Holm).",
        "Um idioma é comparado com o primeiro, um modo de escrever com o usual, imagem por imagem: ambos nas imagens "
        "que têm legendas nos dois, ordenadas só entre si. Intervalos por bootstrap sobre grupos de imagens "
        "aparentadas; p por um teste de aleatorização, corrigido para todas as distâncias da tabela (Holm).",
    ),
    "table_gaps_of_guesses": (
        "{encoder} does no better than guessing in {reference}: its gaps say nothing.",
        "{encoder} não se sai melhor do que o acaso em {reference}: as suas distâncias nada dizem.",
    ),
}
"""Message name -> (English, Brazilian Portuguese); the pages use them too."""


def evaluation_table(evaluations: Sequence[Evaluation], locale: str = "en") -> RenderableType:
    """One block per direction, one row per encoder, chance as the last row; the protocol underneath."""
    from rich.console import Group
    from rich.text import Text

    first, t = evaluations[0], translator_of(locale, WORDS)
    tables: list[RenderableType] = []
    for direction in DIRECTIONS:
        table = plain_table()
        heading(table, t("table_encoder"), words=True)
        for name in SHOWN:
            title = t("table_median_rank") if name == "median_rank" else name
            table.add_column(Text(title), justify="right", no_wrap=True)
        for evaluation in evaluations:
            metrics = evaluation.metrics[direction]
            cells = [metric_cell(name, metrics[name], locale) for name in SHOWN]
            table.add_row(Name(str(evaluation.encoder["name"])), *cells)
        chance = first.metrics[direction]
        numbers = [written(metric_number(name, chance[name].chance), locale) for name in SHOWN]
        table.add_row(t("table_chance"), *numbers, style="dim")
        tables.append(titled(t(direction), table))
    data, protocol = first.dataset, first.protocol
    note = t(
        "table_note",
        data=", ".join(str(data[key]) for key in ("name", "split", "language") if data[key]),
        images=written(f"{data['n_images']:,}", locale),
        texts=written(f"{data['n_texts']:,}", locale),
        skipped=written(f"{len(first.skipped):,}", locale),
        duplicates=rule_of_duplicates(protocol, locale),
        cut=cut_captions(evaluations, [str(e.encoder["name"]) for e in evaluations], locale),
        protocol=protocol["hash"][:12],
    )
    failed = [
        t("table_doctor", encoder=e.encoder["name"], **_examined(check, locale))
        for e in evaluations
        for check in e.checks
        if check["verdict"] == "fail"
    ]
    unfit = [Text(line, style="yellow") for line in [for_trying_out(evaluations, locale)] if line]
    return Group(*tables, Text(note, style="dim"), *(Text(line, style="bold red") for line in failed), *unfit)


def _examined(check: Mapping[str, str], locale: str) -> dict[str, str]:
    """What the doctor looked at and found."""
    from luneta.doctor.measured import measured_in
    from luneta.doctor.portuguese import PORTUGUESE

    known = locale == "pt-BR" and check["name"] in PORTUGUESE
    name = PORTUGUESE[check["name"]].name if known else check["name"]
    return {"check": name, "found": measured_in(check["measured"], locale)}


def for_trying_out(evaluations: Sequence[Evaluation], locale: str) -> str:
    """What a newcomer must know of the encoders that come with the package; empty where none is used on other data
    than the drawings it is for.
    """
    found = [
        preset
        for name in dict.fromkeys(str(e.encoder["name"]) for e in evaluations if not _is_drawn(e))
        if name.lower() in BUNDLED and (preset := find_preset(name))
    ]
    if not found:
        return ""
    names = ", ".join(preset.name for preset in found)
    said = "table_drawings" if len(found) == 1 else "table_drawings_each"
    return translator_of(locale, WORDS)(said, encoder=names, note=found[0].note_in(locale))


def _is_drawn(evaluation: Evaluation) -> bool:
    """Whether it was measured on the built-in world."""
    return bool(re.match(r"cenas(?![\w.-])", str(evaluation.dataset["name"])))


def rule_of_duplicates(protocol: Mapping[str, Any], locale: str) -> str:
    """What counts as equal, in a word or two.

    >>> rule_of_duplicates({"duplicates": "near", "same_item": "sku"}, "en")
    'near + sku'
    >>> rule_of_duplicates({"duplicates": "merge"}, "pt-BR")
    'unidas (merge)'
    """
    rule = str(protocol["duplicates"])
    words = WORDS.get(f"table_rule_{rule}", (rule, rule))[int(locale == "pt-BR")]
    return " + ".join(filter(None, (words, protocol.get("same_item"))))


def cut_captions(evaluations: Sequence[Evaluation], names: Sequence[str], locale: str) -> str:
    """How many captions lost their end: one number where all encoders agree, else one for each of the names."""
    counts = [evaluation.dataset.get("n_truncated") for evaluation in evaluations]
    unknown = translator_of(locale, WORDS)("table_not_known")
    said = [unknown if count is None else written(f"{count:,}", locale) for count in counts]
    if len(set(said)) == 1:
        return said[0]
    return ", ".join(f"{count} ({name})" for name, count in zip(names, said, strict=True))


def comparison_table(comparison: Comparison, metric: str = "recall@1", locale: str = "en") -> RenderableType:
    """One block per direction: every encoder's value, and every pair's difference with its interval and p-value."""
    from rich.console import Group
    from rich.text import Text

    t, names = translator_of(locale, WORDS), comparison.names
    parts: list[RenderableType] = []
    for direction in DIRECTIONS:
        table = plain_table()
        heading(table, t("table_pair"), words=True)
        for column in ("difference", "interval", "p", "wins", "losses"):
            table.add_column(t(f"table_{column}"), justify="right", no_wrap=True)
        table.add_column("", justify="right", no_wrap=True)
        for found in comparison.differences:
            if (found.direction, found.metric) != (direction, metric):
                continue
            pair = f"{names[found.first]} - {names[found.second]}"
            sure = found.is_significant
            verdict = Text(t("table_sure" if sure else "table_unsure"), style="green" if sure else "yellow")
            wins, losses = (written(f"{n:,}", locale) for n in (found.n_wins, found.n_losses))
            numbers = (written(f"{found.value:+.3f}", locale), _from_to(found.low, found.high, locale))
            table.add_row(Name(pair), *numbers, p_value(found.p_holm, locale), wins, losses, verdict)
        parts.append(titled(f"{t(direction)}, {metric}", table))
    note = pairing_note(comparison, locale)
    return Group(evaluation_table(comparison.evaluations, locale), *parts, Text(note, style="dim"))


def pairing_note(comparison: Comparison, locale: str) -> str:
    """How the differences between all pairs were judged."""
    n = len(comparison.names) * (len(comparison.names) - 1) // 2
    return translator_of(locale, WORDS)("table_comparisons" if n > 1 else "table_one_comparison", n=n)


def comparison_grid(comparison: Comparison, metric: str = "recall@1", locale: str = "en") -> Grid:
    """Every encoder's values of a metric, and every difference, as one table for a paper."""
    t, names, rows = translator_of(locale, WORDS), comparison.names, []
    for direction in DIRECTIONS:
        way = t(direction)
        for name, evaluation in zip(names, comparison.evaluations, strict=True):
            found = evaluation.metrics[direction][metric]
            limits = _limits(found.low, found.high, ".3f", locale)
            rows.append((way, name, written(f"{found.value:.3f}", locale), limits, ""))
        for d in comparison.differences:
            if (d.direction, d.metric) == (direction, metric):
                pair, limits = f"{names[d.first]} - {names[d.second]}", _limits(d.low, d.high, "+.3f", locale)
                rows.append((way, pair, written(f"{d.value:+.3f}", locale), limits, p_value(d.p_holm, locale)))
    first = comparison.evaluations[0]
    return Grid(
        title=t("table_compared", metric=metric, data=first.dataset["name"]),
        header=(t("table_direction"), t("table_encoder"), metric, t("table_interval"), t("table_p")),
        rows=tuple(rows),
        notes=(pairing_note(comparison, locale), t("table_protocol", hash=first.protocol["hash"][:12])),
        n_labels=2,
    )


def slices_table(comparison: Comparison, locale: str = "en") -> RenderableType:
    """Recall@1 of every encoder on parts of the queries; an arrow where it differs from the first for sure."""
    from rich.console import Group
    from rich.text import Text

    t = translator_of(locale, WORDS)
    table = plain_table()
    for column in ("direction", "slice"):
        heading(table, t(f"table_{column}"), words=True)
    for column in (t("table_queries"), *comparison.names):
        heading(table, column)
    for part in comparison.slices:
        cells = []
        for value, difference in zip(part.values, part.differences, strict=True):
            low, high = (None, None) if difference is None else difference[1:]
            above, below = low is not None and low > 0, high is not None and high < 0
            cells.append(written(f"{value:.3f}", locale) + (" ▲" if above else " ▼" if below else "  "))
        label = Name(f"{slice_name(part.name, locale)}: {part.value or t('table_no_value')}")
        table.add_row(t(part.direction), label, written(f"{part.n_queries:,}", locale), *cells)
    notes = [t("table_arrows")] if comparison.slices else []
    return Group(
        *([titled(t("table_slices"), table)] if comparison.slices else []),
        Text("\n".join([*notes, *slices_left_out(comparison, locale)]), style="dim"),
    )


def slices_left_out(comparison: Comparison, locale: str) -> list[str]:
    """A sentence for everything that divides the queries into parts of which some are too small."""
    t = translator_of(locale, WORDS)
    return [
        t("table_too_small", direction=t(rest.direction), name=slice_name(rest.name, locale), least=SMALLEST_SLICE,
          n=written(f"{rest.n_queries:,}", locale), values=written(f"{rest.n_values:,}", locale))
        for rest in comparison.too_small
    ]  # fmt: skip


def slice_name(name: str, locale: str) -> str:
    """What divides the queries: in the language where it is ours, as it stands where it is a column of the data."""
    return WORDS.get(f"slice_{name}", (name, name))[int(locale == "pt-BR")]


def languages_table(found: LanguageGap, metric: str = "recall@1", locale: str = "en") -> RenderableType:
    """Every language and way of writing on the pictures that it shares with what it is held against, and the gap."""
    from rich.console import Group
    from rich.text import Text

    t = translator_of(locale, WORDS)
    parts: list[RenderableType] = []
    gaps = {(g.direction, g.language, g.writing): g for g in found.gaps if g.metric == metric}
    rows = [(language, "", e) for language, e in found.evaluations.items()]
    rows += [(language, writing, e) for (language, writing), e in found.writings.items()]
    rows.sort(key=lambda row: list(found.evaluations).index(row[0]))
    for direction in DIRECTIONS:
        table = plain_table()
        heading(table, t("table_language"), words=True)
        for column in (
            metric,
            *(t(f"table_{name}") for name in ("chance", "images", "against", "gap", "interval", "p")),
        ):
            table.add_column(column, justify="right", no_wrap=True)
        for language, writing, evaluation in rows:
            value = evaluation.metrics[direction][metric]
            gap = gaps.get((direction, language, writing))
            if gap is None:
                scores, n_images = (value.value, value.chance), evaluation.dataset["n_images"]
                compared = ["", t("table_reference"), "", ""]
            else:
                scores, n_images = (gap.score, gap.chance), gap.n_images
                compared = [written(n, locale) for n in (f"{gap.reference_score:.3f}", f"{gap.value:+.3f}")]
                compared += [_from_to(gap.low, gap.high, locale), p_value(gap.p_holm, locale)]
            name = f"  {t(f'table_writing_{writing}')}" if writing else language
            values = (written(metric_number(metric, score), locale) for score in scores)
            table.add_row(Name(name), *values, written(f"{n_images:,}", locale), *compared)
        parts.append(titled(f"{t(direction)}, {metric}", table))
    reference, first = next(iter(found.evaluations.items()))
    unfit = [for_trying_out([first], locale)]
    if all(first.metrics[direction][metric].is_like_guessing for direction in DIRECTIONS):
        unfit.append(t("table_gaps_of_guesses", encoder=first.encoder["name"], reference=reference))
    warnings = (Text(line, style="yellow") for line in unfit if line)
    return Group(*parts, Text(t("table_gaps_note"), style="dim"), *warnings)


def _from_to(low: float | None, high: float | None, locale: str) -> str:
    return _limits(low, high, "+.3f", locale) or "-"


def _limits(low: float | None, high: float | None, form: str, locale: str) -> str:
    """An interval in words; empty where there is none."""
    if low is None or high is None:
        return ""
    ends = {"low": written(f"{low:{form}}", locale), "high": written(f"{high:{form}}", locale)}
    return translator_of(locale, WORDS)("table_from_to", **ends)


def metric_cell(name: str, metric: Metric, locale: str) -> Text:
    """The value and, on a second line, its interval; narrow enough for seven columns on a terminal of 80."""
    from rich.text import Text

    value = written(metric_number(name, metric.value), locale)
    if metric.low is None or metric.high is None:
        return Text(value)
    low, high = (
        _short_rank(end) if name == "median_rank" else metric_number(name, end) for end in (metric.low, metric.high)
    )
    interval = written(f"{low}–{high}", locale)
    return Text.assemble(value, "\n", (interval, "dim"))


def metric_number(name: str, value: float | None) -> str:
    """
    >>> [metric_number("median_rank", rank) for rank in (1.5, 2.5, 3, 1234.5)], metric_number("recall@1", 0.5)
    (['1.5', '2.5', '3', '1,234.5'], '0.500')
    """
    if value is None:
        return "-"
    return f"{value:,.1f}".removesuffix(".0") if name == "median_rank" else f"{value:.3f}"


def _short_rank(value: float) -> str:
    """
    >>> [_short_rank(rank) for rank in (1.5, 12, 999.5, 1234, 123_456)]
    ['1.5', '12', '999.5', '1.2k', '123k']
    """
    if value < 1000:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value / 1000:.{1 if value < 100_000 else 0}f}k"
