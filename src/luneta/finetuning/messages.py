"""What the page and the terminal say of a fine-tuning, in English and in Brazilian Portuguese."""

from __future__ import annotations

from luneta.wording import Messages

FINETUNING: Messages = {
    "finetuning_title": ("{encoder}, fine-tuned on {data}", "{encoder}, ajustado em {data}"),
    "finetuning_lead": (
        "Text to image recall@1 on {data}: {before} before, {after} after ({low} to {high} points).",
        "Recall@1 de texto para imagem em {data}: {before} antes, {after} depois ({low} a {high} pontos).",
    ),
    "finetuning_lead_unchanged": (
        "Nothing was gained: what was kept is the encoder as it was before.",
        "Nada se ganhou: o que ficou é o codificador como era antes.",
    ),
    "finetuning_lead_forgot": (
        "What was learnt was not kept: every mixture with it forgets more than was allowed. What was kept is the "
        "encoder as it was before; allow more, or learn what is to be kept as well.",
        "O aprendido não ficou: toda mistura com ele esquece mais do que o permitido. Ficou o codificador como era "
        "antes; permita mais, ou faça-o aprender também o que deve ficar.",
    ),
    "finetuning_unwatched": (
        "Whether it has forgotten anything was not measured: name what is to be kept.",
        "Não se mediu se esqueceu algo: indique o que deve ficar.",
    ),
    "finetuning_unproved": (
        "No test part was given, so nothing is proved.",
        "Não havia parte de teste, e assim nada está provado.",
    ),
    "finetuning_proof": ("Before and after on {data}", "Antes e depois em {data}"),
    "finetuning_kept_proof": (
        "What it knew, before and after, on {data}",
        "O que já sabia, antes e depois, em {data}",
    ),
    "finetuning_before": ("before", "antes"),
    "finetuning_after": ("after", "depois"),
    "finetuning_difference": ("difference", "diferença"),
    "finetuning_interval": ("{low} to {high}", "{low} a {high}"),
    "finetuning_proof_note": (
        "{images} images, {texts} texts, nothing of which was learnt from or decided by; protocol {hash}, computed in "
        "{dtype}. 95 % intervals; differences are paired by query.",
        "{images} imagens, {texts} textos, dos quais nada foi aprendido nem decidiu; protocolo {hash}, calculado em "
        "{dtype}. Intervalos de 95 %; as diferenças são pareadas por consulta.",
    ),
    "finetuning_curve": ("What was kept", "O que ficou"),
    "finetuning_curve_note": (
        "Weights between those before (0) and after the training (1); mean recall@1 of both directions on pictures "
        "that decide and prove nothing; * was kept.",
        "Pesos entre os de antes (0) e os de depois do treino (1); recall@1 médio das duas direções em imagens que "
        "decidem e nada provam; * ficou.",
    ),
    "finetuning_cost": ("Cost: {cost}", "Custo: {cost}"),
    "finetuning_lasted_seconds": ("{n} seconds on {device}", "{n} segundos em {device}"),
    "finetuning_lasted": ("{n} minutes on {device}", "{n} minutos em {device}"),
    "finetuning_memory_gpu": ("{n} of the GPU's memory", "{n} da memória da GPU"),
    "finetuning_memory_run": ("{n} of memory for the whole process", "{n} de memória do processo inteiro"),
    "finetuning_memory_process": (
        "at most {n} of memory for the whole process",
        "no máximo {n} de memória do processo inteiro",
    ),
    "finetuning_usd": ("{usd} USD ({rate} an hour, {source})", "{usd} USD ({rate} por hora, {source})"),
    "finetuning_price_given": ("given", "informado"),
    "finetuning_price_not known": ("not known", "não se sabe"),
    "finetuning_price_table": ("table of {month}", "tabela de {month}"),
    "finetuning_resumed": (
        "of what came after it was resumed; the ledger has the rest",
        "do que veio depois de ser retomado; o resto está no livro-caixa",
    ),
    "finetuning_included": ("validation and proof included", "validação e prova incluídas"),
    "finetuning_checkpoint": ("Checkpoint: {path}", "Checkpoint: {path}"),
    "finetuning_caveats": ("What to know first", "O que saber primeiro"),
    "finetuning_numbers": ("Before and after, in numbers", "Antes e depois, em números"),
    "finetuning_n_train": ("Images learnt from", "Imagens de treino"),
    "finetuning_n_val": ("Images that decided", "Imagens que decidiram"),
    "finetuning_n_leaked": (
        "Left out of training: they are in the validation or test part too",
        "Fora do treino: estão também na parte de validação ou de teste",
    ),
    "finetuning_n_truncated": ("Captions cut at their end", "Legendas cortadas no fim"),
    "finetuning_n_steps": ("Steps done", "Passos dados"),
    "finetuning_course": ("On the way", "No caminho"),
    "finetuning_course_note": (
        "Mean recall@1 of both directions on the pictures that decide, as it was measured in training. The best moment "
        "was kept.",
        "Recall@1 médio das duas direções nas imagens que decidem, medido durante o treino. Ficou o melhor momento.",
    ),
    "finetuning_step": ("step", "passo"),
    "finetuning_course_alt": (
        "Recall@1 is {first} at the first validation and {best} at the best.",
        "O recall@1 é de {first} na primeira validação e de {best} na melhor.",
    ),
    "finetuning_alpha": ("alpha", "alfa"),
    "finetuning_alpha_axis": (
        "share of the weights after the training",
        "parcela dos pesos de depois do treino",
    ),
    "finetuning_curve_alt": (
        "Recall@1 on each data set for mixtures of the weights before and after; {alpha} was kept.",
        "Recall@1 em cada conjunto para misturas dos pesos de antes e de depois; ficou {alpha}.",
    ),
    "finetuning_recipe": ("Recipe", "Receita"),
    "finetuning_predicted": (
        "{time}, {memory}{money} ({last})",
        "{time}, {memory}{money} ({last})",
    ),
    "finetuning_about": ("about {n} {unit}", "cerca de {n} {unit}"),
    "finetuning_less_than": ("less than {n} seconds", "menos de {n} segundos"),
    "finetuning_second": ("second", "segundo"),
    "finetuning_seconds": ("seconds", "segundos"),
    "finetuning_minutes": ("minutes", "minutos"),
    "finetuning_hours": ("hours", "horas"),
    "finetuning_first": ("the first prediction on this device", "a primeira previsão neste dispositivo"),
    "finetuning_longer": (
        "the last run on this device took {share} % longer than predicted",
        "a última execução neste dispositivo levou {share} % a mais do que o previsto",
    ),
    "finetuning_shorter": (
        "the last run on this device took {share} % less than predicted",
        "a última execução neste dispositivo levou {share} % a menos do que o previsto",
    ),
    "finetuning_validation": ("validation", "validação"),
}
"""Message name -> (English, Brazilian Portuguese)."""
