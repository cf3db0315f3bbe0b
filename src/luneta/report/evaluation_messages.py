"""What the evaluation report says, in English and in Brazilian Portuguese."""

from __future__ import annotations

EVALUATION: dict[str, tuple[str, str]] = {
    "report_title": ("Retrieval on {data}", "Busca em {data}"),
    "lead_several_best": (
        "{encoder} is ahead of the other encoders in both directions.",
        "{encoder} está à frente dos outros codificadores nas duas direções.",
    ),
    "lead_several_close": (
        "Of {n} encoders none is clearly ahead in both directions; these are the numbers of {encoder}.",
        "De {n} codificadores, nenhum está claramente à frente nas duas direções; estes são os números de {encoder}.",
    ),
    "lead_protocols": (
        "{n} sets of results under different protocols: each is to be read by itself.",
        "{n} grupos de resultados sob protocolos diferentes: cada um deve ser lido por si.",
    ),
    "lead_text_to_image": (
        "Given a text, {encoder} puts a right image first {value} of the time among {n} images (a guess: {chance}).",
        "Dado um texto, {encoder} põe uma imagem certa em primeiro lugar em {value} das vezes entre {n} imagens "
        "(ao acaso: {chance}).",
    ),
    "lead_image_to_text": (
        "Given an image, it puts a right text first {value} of the time among {n} texts (a guess: {chance}).",
        "Dada uma imagem, põe um texto certo em primeiro lugar em {value} das vezes entre {n} textos "
        "(ao acaso: {chance}).",
    ),
    "lead_chance": (
        "Neither can be told from guessing.",
        "Nenhum dos dois se distingue do acaso.",
    ),
    "interval": ("[{low}, {high}]", "[{low}; {high}]"),
    "contents": ("Contents", "Sumário"),
    "text_to_image_long": ("Text → image: finding the picture of a text", "Texto → imagem: achar a imagem de um texto"),
    "image_to_text_long": (
        "Image → text: finding the text of a picture",
        "Imagem → texto: achar o texto de uma imagem",
    ),
    "encoder": ("Encoder", "Codificador"),
    "metric": ("Metric", "Métrica"),
    "chance": ("Chance", "Acaso"),
    "chance_is": ("chance {value}", "acaso {value}"),
    "ahead": ("ahead", "à frente"),
    # At a glance
    "overview": ("At a glance", "Em resumo"),
    "overview_note": (
        "Recall@1 is the share of queries whose first result is right. Dot: its value; band: 95 % interval; "
        "upright tick: what guessing would get.",
        "Recall@1 é a parcela das consultas cujo primeiro resultado está certo. Ponto: o valor; faixa: intervalo de "
        "95 %; traço vertical: o que se obteria ao acaso.",
    ),
    "overview_protocols": (
        "The groups below were measured on different data or under different rules. Compare encoders inside a group; "
        "read each group beside its own chance level.",
        "Os grupos abaixo foram medidos com dados ou regras diferentes. Compare codificadores dentro de um grupo; "
        "leia cada grupo ao lado do seu próprio nível de acaso.",
    ),
    "strip": (
        "{name}: recall@1 {value}{interval}, chance {chance}",
        "{name}: recall@1 {value}{interval}, acaso {chance}",
    ),
    "strip_interval": (", 95 % interval {interval}", ", intervalo de 95 % {interval}"),
    # Protocol
    "protocol": ("Protocol", "Protocolo"),
    "protocol_note": (
        "Numbers are comparable only when the hash is the same.",
        "Os números só são comparáveis quando o hash é o mesmo.",
    ),
    "protocol_hash": ("Hash", "Hash"),
    "protocol_captions": ("Captions", "Legendas"),
    "protocol_duplicates": ("Duplicates", "Duplicatas"),
    "protocol_ties": ("Equal scores", "Empates"),
    "protocol_interval": ("Intervals", "Intervalos"),
    "texts_cut": ("Texts cut at what the encoder reads", "Textos cortados no limite do codificador"),
    "every_caption": ("every caption is a query", "cada legenda é uma consulta"),
    "duplicates_merge": (
        "merged: equal captions count as right for each other's images, equal images for each other's captions",
        "unidas: legendas iguais valem para as imagens umas das outras, e imagens iguais para as legendas umas das "
        "outras",
    ),
    "duplicates_strict": (
        "strict: only the pairs of the source count as right",
        "estritas: só os pares da origem contam como certos",
    ),
    "duplicates_near": (
        "near: equal captions count as right for each other's images, and equal and near-identical images for each "
        "other's captions",
        "próximas: legendas iguais valem para as imagens umas das outras, e imagens iguais ou quase idênticas para as "
        "legendas umas das outras",
    ),
    "duplicates_groups": (
        "by groups: what was said to be the same thing counts as right for each other",
        "por grupos: o que foi dito ser a mesma coisa vale uma pela outra",
    ),
    "protocol_same_item": ("Same item", "Mesmo item"),
    "same_item_column": (
        "images with an equal value of {column} are one thing",
        "imagens com o mesmo valor de {column} são uma coisa só",
    ),
    "protocol_links": ("Links that make things equal", "Ligações que tornam coisas iguais"),
    "ties_expected": (
        "a query's credit is the mean over all orders of equal scores",
        "o crédito de uma consulta é a média sobre todas as ordens dos empates",
    ),
    "interval_bootstrap": (
        "95 %, percentile bootstrap over clusters of related queries",
        "95 %, bootstrap percentil sobre grupos de consultas relacionadas",
    ),
    # Metrics
    "metrics": ("Metrics", "Métricas"),
    "metrics_note": (
        "In brackets, 95 % intervals. ▲ marks an encoder that is ahead: its whole interval lies beyond the "
        "intervals of all others.",
        "Entre colchetes, intervalos de 95 %. ▲ marca um codificador à frente: o seu intervalo inteiro está além "
        "dos intervalos de todos os outros.",
    ),
    "metrics_note_one": (
        "In brackets, 95 % intervals. Chance is what an encoder that knows nothing would get on the same data.",
        "Entre colchetes, intervalos de 95 %. Acaso é o que um codificador que nada sabe obteria nos mesmos dados.",
    ),
    "metrics_help": ("What the metrics mean", "O que significam as métricas"),
    "help_recall": (
        "share of queries with at least one right answer among the first k results",
        "parcela das consultas com ao menos uma resposta certa entre os k primeiros resultados",
    ),
    "help_normalised": (
        "the same if the gallery held 1,000 items: comparable between galleries of different sizes",
        "o mesmo se a galeria tivesse 1.000 itens: comparável entre galerias de tamanhos diferentes",
    ),
    "help_mrr": (
        "mean of 1 / rank of the first right answer, over the whole ranking",
        "média de 1 / posição da primeira resposta certa, na ordenação inteira",
    ),
    "help_ndcg": (
        "how high all right answers stand among the first k; 1 is the best possible order",
        "quão alto estão todas as respostas certas entre as k primeiras; 1 é a melhor ordem possível",
    ),
    "help_map": (
        "mean average precision over the first k results",
        "média das precisões médias nos k primeiros resultados",
    ),
    "help_median_rank": (
        "half of the queries find their first right answer at this rank or above",
        "metade das consultas encontra a primeira resposta certa nesta posição ou acima",
    ),
    "help_similarity": (
        "mean cosine similarity of right pairs, and of all other pairs",
        "similaridade média do cosseno dos pares certos, e a de todos os outros pares",
    ),
    # Plots
    "recall_curve": ("Recall by number of results shown", "Recall pelo número de resultados mostrados"),
    "recall_curve_note": (
        "Share of queries with a right answer among the first k results; band: 95 % interval; dotted: chance.",
        "Parcela das consultas com uma resposta certa entre os k primeiros resultados; faixa: intervalo de 95 %; "
        "pontilhado: acaso.",
    ),
    "k_axis": ("k, results shown (logarithmic)", "k, resultados mostrados (logarítmico)"),
    "curve_alt": (
        "{name}: recall {values}",
        "{name}: recall {values}",
    ),
    "at_k": ("{value} at {k}", "{value} em {k}"),
    "rank_histogram": ("Where the first right answer stands", "Onde está a primeira resposta certa"),
    "rank_histogram_note": (
        "Share of queries by the rank of their first right answer; dashes: chance.",
        "Parcela das consultas pela posição da primeira resposta certa; tracejado: acaso.",
    ),
    "rank_axis": ("rank of the first right answer, up to", "posição da primeira resposta certa, até"),
    "rank_alt": ("{value} at rank {ranks}", "{value} na posição {ranks}"),
    "similarities": ("Similarity of right and other pairs", "Similaridade dos pares certos e dos outros"),
    "similarities_note": (
        "The less the two overlap, the easier the search. The heights are shares of each kind of pair.",
        "Quanto menos se sobrepõem, mais fácil é a busca. As alturas são parcelas de cada tipo de par.",
    ),
    "similarity_axis": ("cosine similarity", "similaridade do cosseno"),
    "similarity_alt": (
        "Right pairs have mean similarity {positive}, other pairs {negative}.",
        "Os pares certos têm similaridade média {positive}, os outros pares {negative}.",
    ),
    "right_pairs": ("right pairs, mean {mean}", "pares certos, média {mean}"),
    "other_pairs": ("other pairs, mean {mean}", "outros pares, média {mean}"),
    # Examples
    "examples": ("Examples", "Exemplos"),
    "examples_note": (
        "Hits and near misses are a random draw, so that they do not flatter; failures are the worst there are. "
        "Scores are cosine similarities. Right answers have a green frame and a tick.",
        "Acertos e quase acertos são sorteados, para não enfeitar; as falhas são as piores que há. "
        "Os números são similaridades do cosseno. As respostas certas têm moldura verde e um visto.",
    ),
    "examples_absent": (
        "This result was read from a file, which keeps the numbers and not the pictures: evaluate again to see "
        "examples and similarities.",
        "Este resultado foi lido de um arquivo, que guarda os números e não as imagens: avalie de novo para ver "
        "exemplos e similaridades.",
    ),
    "hits": ("Hits", "Acertos"),
    "hits_note": ("a right answer comes first", "uma resposta certa vem primeiro"),
    "near_misses": ("Near misses", "Quase acertos"),
    "near_misses_note": ("a right answer at ranks 2 to 10", "uma resposta certa nas posições 2 a 10"),
    "failures": ("Worst failures", "Piores falhas"),
    "failures_note": ("right answers farthest down", "respostas certas mais abaixo"),
    "more_examples": ("{n} more", "Mais {n}"),
    "drawings_and_examples": ("Curves, similarities and examples", "Curvas, similaridades e exemplos"),
    "no_examples": ("There are none.", "Não há nenhum."),
    "rank_of": ("rank {rank} of {n}", "posição {rank} de {n}"),
    "right": ("right", "certa"),
    "right_answer": ("Right answer", "Resposta certa"),
    "right_answers": ("Right answers", "Respostas certas"),
    "found_first": ("Found first:", "Achada em primeiro:"),
    "retrieved": ("Retrieved", "Recuperados"),
    "unreadable_picture": ("picture not readable any more", "imagem não mais legível"),
    # Advice, searches
    "advice": ("What to do next", "O que fazer agora"),
    "evidence": ("Numbers it stands on", "Números em que se apoia"),
    "unstable": ("depends on noise", "depende do ruído"),
    "rule": ("Rule", "Regra"),
    "searches": ("Example searches", "Exemplos de busca"),
    # The rest
    "skipped": ("Rows left out", "Linhas deixadas de fora"),
    "skipped_note": (
        "{n} rows were left out, the picture together with its texts, so that no other pair shifts.",
        "{n} linhas ficaram de fora, a imagem junto com os seus textos, para que nenhum outro par se desloque.",
    ),
    "cost": ("Time and cost", "Tempo e custo"),
    "wall_s": ("Time", "Tempo"),
    "images_per_s": ("Images/s", "Imagens/s"),
    "texts_per_s": ("Texts/s", "Textos/s"),
    "images_computed": ("Images computed", "Imagens calculadas"),
    "texts_computed": ("Texts computed", "Textos calculados"),
    "reused": ("{n} reused", "{n} reaproveitados"),
    "energy_kwh": ("Energy", "Energia"),
    "seconds": ("{value} s", "{value} s"),
    "minutes": ("{minutes} min {seconds} s", "{minutes} min {seconds} s"),
    "total": ("Total", "Total"),
    "step": ("Step", "Etapa"),
    "encoders": ("Encoders", "Codificadores"),
    "fingerprint": ("Fingerprint", "Impressão digital"),
    "fingerprint_note": (
        "Everything that determines an embedding; equal fingerprints give equal vectors.",
        "Tudo o que determina um vetor; impressões digitais iguais dão vetores iguais.",
    ),
    "embedding_dim": ("Embedding dimension", "Dimensão do vetor"),
    "backend": ("Backend", "Backend"),
    "dtype": ("Precision", "Precisão"),
    "device": ("Device", "Dispositivo"),
    "n_parameters": ("Parameters", "Parâmetros"),
    "logit_scale": ("Logit scale", "Escala dos logits"),
    "logit_bias": ("Logit bias", "Viés dos logits"),
    "languages": ("Languages", "Idiomas"),
    "reproduce": ("How to reproduce", "Como reproduzir"),
    "measured_at": ("Measured at {when} with Luneta {version}.", "Medido em {when} com a Luneta {version}."),
    "duration": ("{value} s", "{value} s"),
}
"""Message name -> (English, Brazilian Portuguese)."""
