"""What the costs say, in English and in Brazilian Portuguese."""

from __future__ import annotations

from luneta.wording import Messages

COSTS: Messages = {
    "costs_title": ("What was spent", "O que se gastou"),
    "costs_lead": (
        "{n} runs took {time} and {usd} USD; whatever failed, was interrupted or only measured is in that sum.",
        "{n} execuções levaram {time} e {usd} USD; o que falhou, foi interrompido ou só mediu está nessa soma.",
    ),
    "costs_runs": ("Runs", "Execuções"),
    "costs_started": ("started (UTC)", "início (UTC)"),
    "costs_kind": ("kind", "tipo"),
    "costs_what": ("what", "o quê"),
    "costs_status": ("status", "estado"),
    "costs_minutes": ("minutes", "minutos"),
    "costs_mib": ("peak MiB", "pico MiB"),
    "costs_sum": ("all {n} runs", "todas as {n} execuções"),
    "costs_finished": ("finished", "terminada"),
    "costs_failed": ("failed", "falhou"),
    "costs_interrupted": ("interrupted", "interrompida"),
    "costs_killed": ("killed", "morta"),
    "costs_running": ("running", "em curso"),
    "costs_at_least": (
        "{n} runs have not said that they ended (killed, or still running): of them the sum holds what was known when "
        "they were last heard of.",
        "{n} execuções não disseram que terminaram (mortas, ou ainda em curso): delas a soma tem o que se sabia quando "
        "deram notícia pela última vez.",
    ),
    "costs_unpriced": (
        "{n} runs have no price: name one with --usd-per-hour when you train.",
        "{n} execuções não têm preço: indique um com --usd-per-hour ao treinar.",
    ),
    "costs_without_reais": (
        "{n} runs have no exchange rate, and the sum of BRL leaves them out: name one with --brl-per-usd.",
        "{n} execuções não têm câmbio, e a soma em BRL as deixa de fora: indique um com --brl-per-usd.",
    ),
    "costs_memory": (
        "Peak MiB on a CPU are those of the process so far, whatever it did before the run; on a GPU those of the run.",
        "Os MiB de pico na CPU são os do processo até então, o que quer que tenha feito antes da execução; na GPU, os "
        "da execução.",
    ),
    "costs_where": (
        "From the ledger {path}. A training begins one in the folder it is started from; evaluations and embeddings "
        "are written down where there is one already. To count everything, wherever it runs, set LUNETA_LEDGER to one "
        "file before the first run.",
        "Do livro-caixa {path}. Um treino começa um na pasta em que é iniciado; avaliações e vetorizações são "
        "registradas onde já existe um. Para contar tudo, onde quer que rode, aponte LUNETA_LEDGER para um só arquivo "
        "antes da primeira execução.",
    ),
    "costs_frontier": ("Quality and cost: {data}", "Qualidade e custo: {data}"),
    "costs_frontier_note": (
        "Recall@1, the mean of both directions, of runs measured on the same data by the same protocol ({hash}). The "
        "line joins those that nothing cheaper equals; a fine-tuning starts from its encoder, at no cost. "
        "Evaluations that found their vectors in the cache are left out; of several of one encoder the dearest counts.",
        "Recall@1, a média das duas direções, de execuções medidas nos mesmos dados e pelo mesmo protocolo ({hash}). A "
        "linha une as que nada mais barato iguala; um ajuste fino parte do seu codificador, sem custo. Avaliações "
        "que acharam os vetores no cache ficam de fora; de várias do mesmo codificador vale a mais cara.",
    ),
    "costs_price": ("USD an hour", "USD por hora"),
    "costs_price_given": ("as given", "como indicado"),
    "costs_price_table": ("rough, table of {month}", "aproximado, tabela de {month}"),
    "costs_axis": ("cost (USD)", "custo (USD)"),
    "costs_alt": ("Recall@1 against cost in USD", "Recall@1 e custo em USD"),
    "costs_best": ("on the line", "na linha"),
    "costs_untrained": ("{name}, as it is", "{name}, como está"),
}
