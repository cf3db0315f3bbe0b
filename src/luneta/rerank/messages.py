"""What the command line says of re-ranking, in English and in Brazilian Portuguese."""

from __future__ import annotations

from collections.abc import Mapping

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
    "rerank_early_exit": (
        "Early exit: how far below the first score it looks",
        "Saída antecipada: até que distância da primeira pontuação se olha",
    ),
    "rerank_within": ("distance", "distância"),
    "rerank_looks": ("looks a text", "olhadas por texto"),
    "rerank_left": ("texts left as they are", "textos deixados como estão"),
    "rerank_change": ("change", "mudança"),
    "rerank_losing": ("texts that lose", "textos que perdem"),
    "rerank_up_to": ("up to {high}", "até {high}"),
    "rerank_all": ("all {k}", "todas as {k}"),
    "rerank_early_exit_note": (
        "Distances are differences of the encoder's scores; changes of {metric} are from looking at the first {k} of "
        "every text, paired by text; * is used.",
        "Distâncias são diferenças das pontuações do codificador; mudanças de {metric} são em relação a olhar as {k} "
        "primeiras de cada texto, pareadas por texto; * é a usada.",
    ),
    "rerank_early_exit_rule": (
        "From the widest on, a distance passes while the lower end of its interval is not below -{loss}, at most "
        "{losing} of the texts may lose, and the gain over the encoder alone stays sure. The first that fails ends it.",
        "Da maior em diante, uma distância passa enquanto o limite inferior do intervalo não está abaixo de -{loss}, "
        "no máximo {losing} dos textos podem perder e o ganho sobre o codificador sozinho segue certo. A primeira que "
        "falha encerra a busca.",
    ),
    "rerank_looked": (
        "Early exit: {looks} candidates of each text were looked at, of at most {k}.",
        "Saída antecipada: {looks} candidatas de cada texto foram olhadas, de no máximo {k}.",
    ),
    "rerank_unmoved": ("no text changes", "nenhum texto muda"),
    "rerank_asked_alone": (
        "Nothing is used, so the first and the third are asked of the new scores alone (alpha 1).",
        "Nada é usado; por isso a primeira e a terceira são feitas às novas pontuações sozinhas (alfa 1).",
    ),
    "rerank_rank": ("rank", "posição"),
    "rerank_picture": ("picture", "imagem"),
    "rerank_score": ("score", "pontuação"),
    "rerank_rank_before": ("rank before", "posição antes"),
    "rerank_beats_baseline": (
        "Is the order better than the encoder's own?",
        "A ordem é melhor que a do codificador?",
    ),
    "rerank_beats_shuffle": (
        "Do the new scores alone order better than chance?",
        "As novas pontuações sozinhas ordenam melhor que o acaso?",
    ),
    "rerank_needs_its_query": (
        "Is the gain lost with another query's text?",
        "O ganho se perde com o texto de outra consulta?",
    ),
    "rerank_no_interval": ("no interval", "sem intervalo"),
    "rerank_yes": ("yes", "sim"),
    "rerank_no": ("no", "não"),
    "rerank_used": ("alpha {alpha} on the first {k}", "alfa {alpha} nas primeiras {k}"),
    "rerank_used_within": (
        "alpha {alpha} on the first {k}, no more than {within} below the first",
        "alfa {alpha} nas primeiras {k}, só até {within} abaixo da primeira",
    ),
    "rerank_not_honest": (
        "it changes nothing: it has not shown that it does what it says",
        "nada muda: não mostrou que faz o que diz",
    ),
    "rerank_not_used": ("it changes nothing: no gain is sure", "nada muda: nenhum ganho é certo"),
    "rerank_idle": (
        "The re-ranker has alpha 0: it changes nothing, and this is the encoder's own order.",
        "O reordenador tem alfa 0: nada muda, e esta é a ordem do próprio codificador.",
    ),
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
    "rerank_pace_kept": (
        "{ms} ms for each text, with {kept} of the scores kept from before",
        "{ms} ms por texto, com {kept} das pontuações guardadas de antes",
    ),
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

REPRODUCTION: Mapping[str, str] = {
    "{variant}: ours beside published": "{variant}: nossos números ao lado dos publicados",
    "benchmark": "benchmark",
    "ours": "nosso",
    "95 % interval": "intervalo de 95 %",
    "published": "publicado",
    "difference": "diferença",
    "in it": "nele",
    "baseline": "sozinho",
    "yes": "sim",
    "no": "não",
    "unlike": "outro",
    "not run: {missing}": "não rodado: {missing}",
    "no data": "sem dados",
    "no weights": "sem pesos",
    "COCO, Karpathy's test part": "COCO, teste de Karpathy",
    "Flickr30k, Karpathy's test part": "Flickr30k, teste de Karpathy",
    "{what} was not run ({missing}): {to_have}.": "{what} não foi rodado ({missing}): {to_have}.",
    "{variant} itself needs {to_have}.": "{variant} em si precisa de {to_have}.",
    "{title}: not to be held against the published numbers: {why}.": (
        "{title}: não se compara com os números publicados: {why}."
    ),
    "{title}: {n} left out, since they cannot be read ({named}).": (
        "{title}: {n} fora, por não poderem ser lidas ({named})."
    ),
    "{why}; {other_why}": "{why}; {other_why}",
    "{n_images} pictures and {n_texts} captions were measured, not {n_images_there} and {n_texts_there}": (
        "mediram-se {n_images} imagens e {n_texts} legendas, e não {n_images_there} e {n_texts_there}"
    ),
    "the encoder is {encoder}, theirs {other}": "o codificador é {encoder}, o deles {other}",
    "val2014.zip (6 GB) of cocodataset.org and dataset_coco.json of Karpathy's splits (37 MB)": (
        "val2014.zip (6 GB) de cocodataset.org e dataset_coco.json das divisões de Karpathy (37 MB)"
    ),
    "flickr30k-images (4.4 GB, on request from its authors) and dataset_flickr30k.json of Karpathy's splits": (
        "flickr30k-images (4,4 GB, a pedido aos autores) e dataset_flickr30k.json das divisões de Karpathy"
    ),
    "val2014.zip (6 GB) and annotations_trainval2014.zip (241 MB) of cocodataset.org, and the authors' "
    "karpathy_test_cat_id_2_occ_img_negative_img.json; then luneta build occluded-coco": (
        "val2014.zip (6 GB) e annotations_trainval2014.zip (241 MB) de cocodataset.org, e dos autores "
        "karpathy_test_cat_id_2_occ_img_negative_img.json; depois luneta build occluded-coco"
    ),
    "imagenet-r.tar (2.2 GB) of github.com/hendrycks/imagenet-r; then luneta build imagenet-r": (
        "imagenet-r.tar (2,2 GB) de github.com/hendrycks/imagenet-r; depois luneta build imagenet-r"
    ),
    "a training checkpoint of the authors (about 3 GB and more; links in the README of github.com/ypliubit/ELIP)": (
        "um checkpoint de treino dos autores (de uns 3 GB para cima; links no README de github.com/ypliubit/ELIP)"
    ),
    "Every caption is a query (25,010 of COCO; who takes five of each picture has 25,000), and only its own picture is "
    "right.": (
        "Toda legenda é uma consulta (25.010 do COCO; quem toma cinco de cada imagem tem 25.000), e só a sua própria "
        "imagem é certa."
    ),
    "Equal scores share their places; elsewhere they go by the order of the files.": (
        "Pontuações iguais partilham as posições; em outras medições vão pela ordem dos arquivos."
    ),
    "Pictures below the first k keep the encoder's order; the published evaluation takes 1000 off their scores, which "
    "comes to the same.": (
        "As imagens abaixo das k primeiras mantêm a ordem do codificador; a avaliação publicada tira 1000 das suas "
        "pontuações, o que dá no mesmo."
    ),
    "Backbones are checkpoints of transformers with their own preprocessing; the published are of open_clip and "
    "LAVIS.": (
        "Os codificadores são checkpoints de transformers com seu próprio preprocessamento; os publicados são de "
        "open_clip e LAVIS."
    ),
    "Candidates are found by {encoder}, the published ones by BLIP-2's own contrastive scores: what is re-ranked is "
    "not the same. Our baseline is BLIP-2's matching of these candidates.": (
        "As candidatas são achadas por {encoder}, as publicadas pelas pontuações contrastivas do próprio BLIP-2: não "
        "se reordena o mesmo. O nosso ponto de partida é o casamento do BLIP-2 sobre estas candidatas."
    ),
    "On Flickr30k the authors' script for SigLIP looks at 50 candidates, the paper says 100.": (
        "No Flickr30k o script dos autores para o SigLIP olha 50 candidatas; o artigo diz 100."
    ),
    "What is occluded was guessed from COCO's masks: this is not the authors' Occluded COCO.": (
        "O que está oculto foi adivinhado pelas máscaras do COCO: este não é o Occluded COCO dos autores."
    ),
}
"""What a reproduction says, English -> Brazilian Portuguese; its sentences come from several places, in English."""
