"""What the pages of re-ranking say, in English and in Brazilian Portuguese."""

from __future__ import annotations

from luneta.wording import Messages

RERANKING: Messages = {
    "reranking_title": ("{encoder}, re-ranked on {data}", "{encoder}, reordenado em {data}"),
    "reranking_title_made": (
        "A re-ranker for {encoder}, made on {data}",
        "Um reordenador para {encoder}, feito com {data}",
    ),
    "reranking_lead": (
        "Text to image, a right picture comes first for {before} of the texts by the encoder alone and for {after} "
        "re-ranked ({gain} points, {low} to {high}).",
        "Do texto à imagem, uma imagem certa vem primeiro para {before} dos textos com o codificador sozinho e para "
        "{after} com a reordenação ({gain} pontos, {low} a {high}).",
    ),
    "reranking_lead_unchanged": (
        "This re-ranker changes nothing: the order is the encoder's own.",
        "Este reordenador nada muda: a ordem é a do próprio codificador.",
    ),
    "reranking_lead_unproved": (
        "There was no test part, so nothing is proved here ({use}).",
        "Não houve parte de teste, e portanto nada se prova aqui ({use}).",
    ),
    "reranking_alone": ("encoder alone", "codificador sozinho"),
    "reranking_after": ("re-ranked", "reordenado"),
    "reranking_difference": ("difference", "diferença"),
    "reranking_overview": ("Before and after", "Antes e depois"),
    "reranking_numbers": ("Before and after, in numbers", "Antes e depois, em números"),
    "reranking_at": ("re-ranked, k = {k}", "reordenado, k = {k}"),
    "reranking_changes": ("Where the order changed most", "Onde a ordem mais mudou"),
    "reranking_changes_note": (
        "The texts that gained and lost most by reciprocal rank, and the pictures that came first. Right ones have a "
        "frame and a tick; under the re-ranked ones stands their rank before.",
        "Os textos que mais ganharam e perderam pela posição recíproca, e as imagens que vieram primeiro. As certas "
        "têm moldura e sinal; sob as reordenadas está a posição que tinham antes.",
    ),
    "reranking_counts": (
        "Texts that find a right picture earlier than before: {better}; later: {worse}; where it was: {same}; of {n}.",
        "Textos que acham uma imagem certa mais cedo que antes: {better}; mais tarde: {worse}; onde estava: {same}; de "
        "{n}.",
    ),
    "reranking_better": ("For the better", "Para melhor"),
    "reranking_worse": ("For the worse", "Para pior"),
    "reranking_none_better": ("No text gained.", "Nenhum texto ganhou."),
    "reranking_none_worse": ("No text lost.", "Nenhum texto perdeu."),
    "reranking_moved": ("right picture: rank {before} → {after}", "imagem certa: posição {before} → {after}"),
    "reranking_was": ("was {rank}", "era {rank}"),
    "reranking_choice": ("How far it is believed", "Quanto se acredita nele"),
    "reranking_curve_note": (
        "How much {metric} gains over the encoder alone on the validation part, by alpha: how much the new scores "
        "count. The band is the 95 % interval of the first line; the upright line is what is used.",
        "Quanto o {metric} ganha sobre o codificador sozinho na parte de validação, conforme alfa: quanto contam as "
        "novas pontuações. A faixa é o intervalo de 95 % da primeira linha; a linha vertical é o que se usa.",
    ),
    "reranking_tried": ("All that was tried", "Tudo o que se tentou"),
    "reranking_alpha_axis": ("alpha (0: the encoder alone)", "alfa (0: o codificador sozinho)"),
    "reranking_first": ("on the first {k}", "nas primeiras {k}"),
    "reranking_curve_alt": (
        "Gain of {metric} over alpha; {name}: {gains}.",
        "Ganho de {metric} conforme alfa; {name}: {gains}.",
    ),
    "reranking_curve_point": ("{gain} at {alpha}", "{gain} em {alpha}"),
    "reranking_questions": ("Does it do what it says?", "Ele faz o que diz?"),
    "reranking_questions_note": (
        "Differences of mean reciprocal rank on the validation part, paired by text; the whole 95 % interval must be "
        "above 0. With one no it changes nothing.",
        "Diferenças da posição recíproca média na parte de validação, pareadas por texto; todo o intervalo de 95 % tem "
        "de estar acima de 0. Com um não, ele nada muda.",
    ),
    "reranking_question": ("question", "pergunta"),
    "reranking_answer": ("answer", "resposta"),
    "reranking_recipe": ("Recipe and cost", "Receita e custo"),
    "reranking_n_train": ("Images learnt from", "Imagens de treino"),
    "reranking_n_val": ("Images that decided", "Imagens que decidiram"),
    "reranking_n_leaked": (
        "Left out of training: they are in the validation or test part too",
        "Fora do treino: estão também na parte de validação ou de teste",
    ),
    "reranking_time": ("Time", "Tempo"),
    "reranking_device": ("Device", "Dispositivo"),
    "reranking_ms": ("{ms} ms", "{ms} ms"),
    "reranking_looking": ("Looking again, for each text", "Olhar de novo, por texto"),
    "reranking_looks": ("Candidates looked at, for each text", "Candidatas olhadas, por texto"),
}
