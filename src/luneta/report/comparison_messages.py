"""What the comparison page says, in English and in Brazilian Portuguese."""

from __future__ import annotations

COMPARISON: dict[str, tuple[str, str]] = {
    "comparison_title": ("Encoders compared on {data}", "Codificadores comparados em {data}"),
    "comparison_heading": ("Query by query", "Consulta por consulta"),
    "comparison_lead_sure": (
        "Text to image, {first} is ahead of {second} by {value} points of recall@1, surely (p {p}, corrected).",
        "Do texto à imagem, {first} está à frente de {second} por {value} pontos de recall@1, com certeza (p {p}, "
        "corrigido).",
    ),
    "comparison_lead_unsure": (
        "Text to image, {first} and {second} cannot be told apart by recall@1 (difference {value} points, p {p}, "
        "corrected).",
        "Do texto à imagem, {first} e {second} não se distinguem por recall@1 (diferença de {value} pontos, p {p}, "
        "corrigido).",
    ),
    "comparison_note": (
        "Differences are paired by query. Intervals: bootstrap over clusters of related queries; p: randomisation "
        "test, corrected for all pairs (Holm). A difference is called sure when p is below 0.05 and the interval "
        "excludes 0.",
        "As diferenças são pareadas por consulta. Intervalos: bootstrap sobre grupos de consultas aparentadas; p: "
        "teste de aleatorização, corrigido para todos os pares (Holm). Uma diferença é dita certa quando p é menor que "
        "0,05 e o intervalo exclui 0.",
    ),
    "comparison_pair": ("First – second", "Primeiro – segundo"),
    "comparison_metric": ("Metric", "Métrica"),
    "comparison_difference": ("Difference, points", "Diferença, pontos"),
    "comparison_p": ("p (Holm)", "p (Holm)"),
    "comparison_wins": ("Better on", "Melhor em"),
    "comparison_losses": ("Worse on", "Pior em"),
    "comparison_sure": ("sure", "certa"),
    "comparison_unsure": ("not sure", "incerta"),
    "comparison_slices": ("Recall@1 on parts of the queries", "Recall@1 em partes das consultas"),
    "comparison_slices_note": (
        "▲ ▼: the 95 % interval of the paired difference to the first encoder excludes 0; not corrected for the number "
        "of parts.",
        "▲ ▼: o intervalo de 95 % da diferença pareada ao primeiro codificador exclui 0; sem correção pelo número de "
        "partes.",
    ),
    "comparison_slice": ("Part", "Parte"),
    "comparison_queries": ("Queries", "Consultas"),
    "comparison_contrasts": ("Who wins which queries", "Quem vence em quais consultas"),
    "comparison_query": ("Query", "Consulta"),
    "comparison_rank_by": ("Rank by {name}", "Posição por {name}"),
    "comparison_versus": ("{first} against {second}", "{first} contra {second}"),
}
