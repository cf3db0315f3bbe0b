"""What is said of bundles and searches, in English and in Brazilian Portuguese."""

from __future__ import annotations

from luneta.wording import Messages

SEARCH: Messages = {
    "nothing_relevant": (
        "Nothing relevant: the best answer scores {best}, below the cut-off of {cutoff}.",
        "Nada relevante: a melhor resposta tem {best}, abaixo do corte de {cutoff}.",
    ),
    "look_anyway": ("See the nearest anyway: --anyway", "Veja as mais próximas mesmo assim: --anyway"),
    "nothing_found": ("Nothing is left to be found.", "Não sobrou nada para encontrar."),
    "more_pages": ("There is more: --page {page}", "Há mais: --page {page}"),
    "answers_to": ("Answers to: {query}", "Respostas a: {query}"),
    "rank": ("rank", "posição"),
    "rank_before": ("rank before", "posição antes"),
    "score": ("score", "pontuação"),
    "id": ("id", "id"),
    "picture": ("picture", "imagem"),
    "text": ("text", "texto"),
    "also": ("and {n} near-duplicates", "e {n} quase iguais"),
    "index_done": (
        "{folder}: {images} pictures and {texts} texts in {seconds} s",
        "{folder}: {images} imagens e {texts} textos em {seconds} s",
    ),
    "index_changes": (
        "{new_images} pictures and {new_texts} texts are new, {old_images} and {old_texts} have gone; {computed} went "
        "through the model",
        "{new_images} imagens e {new_texts} textos são novos, {old_images} e {old_texts} saíram; {computed} passaram "
        "pelo modelo",
    ),
    "index_try": ('Try: luneta search {folder} "{text}"', 'Experimente: luneta search {folder} "{text}"'),
    "index_title": ("Index", "Índice"),
    "searched": ("searched", "procura-se em"),
    "kind": ("kind", "tipo"),
    "recall_of": ("recall@10, {name} queries", "recall@10, consultas de {name}"),
    "pictures": ("pictures", "imagens"),
    "texts": ("texts", "textos"),
    "image": ("picture", "imagem"),
    "milliseconds": ("ms a query, median / 99 %", "ms por consulta, mediana / 99 %"),
    "memory": ("MiB of memory", "MiB de memória"),
    "cutoffs": ("Nothing relevant below", "Nada relevante abaixo de"),
    "language": ("language", "língua"),
    "any_language": ("any", "qualquer"),
    "cutoff": ("cut-off", "corte"),
    "missed": ("have an answer, told nothing", "têm resposta, mas são recusadas"),
    "fooled": ("have no answer, shown something", "não têm resposta, mas são atendidas"),
    "cutoffs_kept": (
        "The cut-offs below which nothing is relevant are those of before (--calibrate chooses new ones).",
        "Os cortes abaixo dos quais nada é relevante são os de antes (--calibrate escolhe novos).",
    ),
    "cutoff_note": (
        "Measured on held-out queries, with 95 % intervals; {without}.",
        "Medido em consultas separadas, com intervalos de 95 %; {without}.",
    ),
    "natural": (
        "queries without an answer are those whose pictures are not in the bundle",
        "as consultas sem resposta são aquelas cujas imagens não estão no pacote",
    ),
    "taken_away": (
        "queries without an answer are the same ones, their answers taken away",
        "as consultas sem resposta são as mesmas, sem as suas respostas",
    ),
    "verified": (
        "{folder}: {n} files, {size}, all as they were written",
        "{folder}: {n} arquivos, {size}, todos como foram escritos",
    ),
    "damaged": (
        "{folder}: {n} of {total} files are damaged or missing",
        "{folder}: {n} de {total} arquivos estão danificados ou faltam",
    ),
    "reranker_in": ("Re-ranker: inside", "Reordenador: incluído"),
    "below": ("below the cut-off", "abaixo do corte"),
    "below_note": (
        "* below the cut-off of {cutoff}: most likely not what was asked for.",
        "* abaixo do corte de {cutoff}: muito provavelmente não é o que se pediu.",
    ),
    "was_rank": ("was {rank}", "era {rank}"),
    "words_title": (
        "How much the score of the first answer falls without each word:",
        "Quanto a pontuação da primeira resposta cai sem cada palavra:",
    ),
    "page_title": ("Search", "Busca"),
}
