"""What the leaderboard's page says, in English and in Brazilian Portuguese."""

from __future__ import annotations

LEADERBOARD: dict[str, tuple[str, str]] = {
    "leaderboard_title": ("Leaderboard", "Classificação"),
    "leaderboard_lead": (
        "{n} results under {protocols} protocols, each ranked by itself: numbers of different protocols are not "
        "compared.",
        "{n} resultados sob {protocols} protocolos, cada um classificado por si: números de protocolos diferentes não "
        "se comparam.",
    ),
    "leaderboard_lead_one": (
        "{n} results under one protocol.",
        "{n} resultados sob um só protocolo.",
    ),
    "leaderboard_place": ("Place", "Lugar"),
    "leaderboard_alike": ("like the first", "como o primeiro"),
    "leaderboard_note": (
        "Sorted by {metric}, {direction}. “Like the first”: a paired randomisation test, corrected for all pairs "
        "(Holm), does not tell it from the first. Below each value its 95 % interval.",
        "Em ordem de {metric}, {direction}. “Como o primeiro”: um teste de aleatorização pareado, corrigido para "
        "todos os pares (Holm), não o distingue do primeiro. Sob cada valor, o seu intervalo de 95 %.",
    ),
    "leaderboard_refused": ("Files left out", "Arquivos deixados de fora"),
    "leaderboard_file": ("File", "Arquivo"),
}
"""Message name -> (English, Brazilian Portuguese)."""
