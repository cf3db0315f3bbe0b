"""What the command line says of re-ranking, in English and in Brazilian Portuguese."""

from __future__ import annotations

from luneta.wording import Messages

RERANK: Messages = {
    "rerank_choice": ("How far the new scores are believed", "Quanto se acredita nas novas pontuações"),
    "rerank_alpha": ("alpha", "alfa"),
    "rerank_gain": ("gain", "ganho"),
    "rerank_interval": ("95 % interval", "intervalo de 95 %"),
    "rerank_from_to": ("{low} to {high}", "{low} a {high}"),
    "rerank_choice_note": (
        "On the validation part; gains over the encoder alone (alpha 0), paired by text; * is used.",
        "Na parte de validação; ganhos sobre o codificador sozinho (alfa 0), pareados por texto; * é o usado.",
    ),
    "rerank_held_out": (
        "On texts that had no part in choosing alpha and k: {gain}.",
        "Em textos que não participaram da escolha de alfa e k: {gain}.",
    ),
    "rerank_rank": ("rank", "posição"),
    "rerank_picture": ("picture", "imagem"),
    "rerank_score": ("score", "pontuação"),
    "rerank_rank_before": ("rank before", "posição antes"),
    "rerank_beats_baseline": ("beats_baseline", "melhor que o codificador sozinho"),
    "rerank_beats_shuffle": ("beats_shuffle", "melhor que uma ordem ao acaso"),
    "rerank_needs_its_query": ("needs_its_query", "pior com o texto de outra consulta"),
    "rerank_no_interval": ("no interval", "sem intervalo"),
    "rerank_yes": ("yes", "sim"),
    "rerank_no": ("no", "não"),
    "rerank_used": ("alpha {alpha} on the first {k}", "alfa {alpha} nas primeiras {k}"),
    "rerank_not_honest": (
        "it changes nothing: it has not shown that it does what it says",
        "nada muda: não mostrou que faz o que diz",
    ),
    "rerank_not_used": ("it changes nothing: no gain is sure", "nada muda: nenhum ganho é certo"),
    "rerank_place": ("Re-ranker: {folder} ({use})", "Reordenador: {folder} ({use})"),
    "rerank_title": ("Text to image", "Do texto à imagem"),
    "rerank_title_depths": (
        "Text to image, by how many candidates are looked at again",
        "Do texto à imagem, conforme quantas candidatas são olhadas de novo",
    ),
    "rerank_encoder": ("encoder", "codificador"),
    "rerank_after": ("re-ranked", "reordenado"),
    "rerank_difference": ("difference", "diferença"),
    "rerank_data": (
        "{data}: {images} images, {texts} texts; protocol {hash}.",
        "{data}: {images} imagens, {texts} textos; protocolo {hash}.",
    ),
    "rerank_paired": (
        "95 % intervals of differences paired by query.",
        "Intervalos de 95 % das diferenças pareadas por consulta.",
    ),
    "rerank_in_brackets": (
        "In brackets: difference from the encoder alone.",
        "Entre parênteses: diferença para o codificador sozinho.",
    ),
    "rerank_deepest": (
        "At k = {k}, with 95 % intervals paired by query: {gains}.",
        "Com k = {k}, com intervalos de 95 % pareados por consulta: {gains}.",
    ),
    "rerank_below": (
        "Pictures below the first k keep the encoder's order.",
        "As imagens abaixo das k primeiras mantêm a ordem do codificador.",
    ),
    "rerank_pace": ("{ms} ms for each text", "{ms} ms por texto"),
    "rerank_about": (
        "about {n} {unit}, {disk} of disk while it lasts{money}",
        "cerca de {n} {unit}, {disk} de disco enquanto dura{money}",
    ),
    "rerank_plan": ("What it takes", "O que é preciso"),
    "rerank_time": ("time", "tempo"),
    "rerank_disk": ("disk", "disco"),
    "rerank_part_pictures": ("the data set's pictures", "as imagens do conjunto"),
    "rerank_part_apart": ("keeping parts apart", "separar as partes"),
    "rerank_part_vectors": ("vectors of all", "vetores de tudo"),
    "rerank_part_mining": ("what is taken for what", "o que se confunde com o quê"),
    "rerank_part_states": ("pictures before the prompts", "imagens antes dos prompts"),
    "rerank_part_steps": ("steps", "passos"),
    "rerank_part_measuring": ("measuring and choosing", "medir e escolher"),
    "rerank_part_checkpoints": ("checkpoints", "checkpoints"),
    "rerank_plan_note": (
        "Pictures are there already, or are to be fetched; the rest is written while it lasts.",
        "As imagens já estão lá, ou são baixadas; o resto é gravado enquanto dura.",
    ),
    "rerank_on_the_fly": (
        "What comes before the prompts does not fit on the disk: it is computed anew whenever a picture is looked at.",
        "O que vem antes dos prompts não cabe no disco: é calculado de novo cada vez que se olha uma imagem.",
    ),
    "rerank_fits": ("What fits on a disk", "O que cabe num disco"),
    "rerank_states": ("before the prompts", "antes dos prompts"),
    "rerank_kept": ("kept in files", "guardado em arquivos"),
    "rerank_not_kept": ("not kept", "não guardado"),
    "rerank_as_they_are": ("as they are", "como estão"),
    "rerank_fits_note": (
        "Pictures like these with their texts, vectors and this guide's checkpoints, as a share of the six million "
        "that ELIP was trained on, by the longer side to which they are scaled. Nothing is kept before block 0.",
        "Imagens como estas com seus textos, vetores e os checkpoints deste guia, como parte dos seis milhões com que "
        "o ELIP foi treinado; conforme o lado maior a que são reduzidas. Antes do bloco 0 nada é guardado.",
    ),
}
"""Message name -> (English, Brazilian Portuguese)."""
