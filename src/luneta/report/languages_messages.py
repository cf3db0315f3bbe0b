"""What the page of several languages says, in English and in Brazilian Portuguese."""

from __future__ import annotations

LANGUAGES: dict[str, tuple[str, str]] = {
    "languages_title": ("{n} languages on {data}", "{n} idiomas em {data}"),
    "languages_heading": ("{encoder}: one language beside another", "{encoder}: um idioma ao lado do outro"),
    "languages_lead": (
        "Given a text, {encoder} puts a right image first {value} of the time in {reference}.",
        "Dado um texto, {encoder} põe uma imagem certa em primeiro lugar em {value} das vezes em {reference}.",
    ),
    "languages_lead_behind": (
        "Farthest behind is {language}, {gap} points below on the same pictures.",
        "O mais atrás é {language}, {gap} pontos abaixo nas mesmas imagens.",
    ),
    "languages_lead_level": (
        "No other language is surely behind.",
        "Nenhum outro idioma está com certeza atrás.",
    ),
    "languages_lead_guesses": (
        "That is no better than guessing, so that the gaps to {reference} say nothing.",
        "Isso não é melhor do que o acaso, e as distâncias a {reference} nada dizem.",
    ),
    "languages_note": (
        "Recall@1 of every language and of other ways of writing its captions. Dot: its value; band: 95 % interval; "
        "upright tick: what guessing would get. Gaps are paired by picture: a language to {reference}, a way of "
        "writing to the usual one, over the pictures that have captions in both, ranked among these alone; their "
        "intervals are over clusters of related pictures. A gap is called sure when p of a randomisation test, "
        "corrected for all gaps of the metric (Holm), is below 0.05 and the interval excludes 0.",
        "Recall@1 de cada idioma e de outros modos de escrever as suas legendas. Ponto: o valor; faixa: intervalo de "
        "95 %; traço vertical: o que se obteria ao acaso. As distâncias são pareadas por imagem: um idioma com "
        "{reference}, um modo de escrever com o usual, nas imagens que têm legendas nos dois, ordenadas só entre si; "
        "os seus intervalos são sobre grupos de imagens aparentadas. Uma distância é dita certa quando p de um teste "
        "de aleatorização, corrigido para todas as distâncias da métrica (Holm), é menor que 0,05 e o intervalo "
        "exclui 0.",
    ),
    "languages_language": ("Language", "Idioma"),
    "languages_gap": ("Gap, points", "Distância, pontos"),
    "languages_images": ("Images", "Imagens"),
    "languages_shared": (
        "on {n} shared: {own} against {other} in {reference}",
        "em {n} em comum: {own} contra {other} em {reference}",
    ),
    "languages_reference": ("reference", "referência"),
    "languages_p": ("p {p}", "p {p}"),
    "languages_more": ("Recall@10 and MRR", "Recall@10 e MRR"),
}
"""Message name -> (English, Brazilian Portuguese)."""
