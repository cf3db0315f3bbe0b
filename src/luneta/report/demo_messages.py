"""What the demo's report says, in English and in Brazilian Portuguese."""

from __future__ import annotations

DEMO: dict[str, tuple[str, str]] = {
    "demo_title": ("Luneta in a few minutes", "A Luneta em poucos minutos"),
    "demo_lead": (
        "Two small encoders learned English captions of flat drawings. Here they meet what they know, another language "
        "and other drawing styles; one of them learns Portuguese, is put to use, learns sketches in four ways and, as "
        "it was, looks at them a second time. Every number comes with its interval and with what guessing would give.",
        "Dois codificadores pequenos aprenderam legendas em inglês de desenhos chapados. Aqui encontram o que sabem, "
        "outro idioma e outros estilos de desenho; um deles aprende português, é posto em uso, aprende esboços de "
        "quatro modos e, como era, os olha outra vez. Cada número vem com seu intervalo e com o que o acaso daria.",
    ),
    "demo_round_en_flat": ("English, flat drawings (as trained)", "Inglês, desenhos chapados (como no treino)"),
    "demo_round_pt_flat": ("Portuguese, flat drawings", "Português, desenhos chapados"),
    "demo_round_en_sketch": ("English, sketches", "Inglês, esboços"),
    "demo_round_en_night": ("English, night pictures", "Inglês, imagens noturnas"),
    "demo_advice": ("Advice by the study's rules: {label}", "Conselhos pelas regras do estudo: {label}"),
    "demo_searches": ("Searching", "Buscando"),
    "demo_searches_note": (
        "Captions of pictures drawn at random, in English and in Portuguese, searched by {encoder} among {n} pictures.",
        "Legendas de imagens sorteadas, em inglês e em português, buscadas por {encoder} entre {n} imagens.",
    ),
    "demo_trust": ("Can these numbers be trusted?", "Pode-se confiar nestes números?"),
    "demo_trust_note": (
        "What was looked at before the numbers are believed. Each line leads to a page of its own, in the same folder.",
        "O que se examinou antes de acreditar nos números. Cada linha leva a uma página própria, na mesma pasta.",
    ),
    "demo_doctor": ("Are the encoders used as they were trained?", "Os codificadores são usados como foram treinados?"),
    "demo_leakage": ("What would a careless division leak?", "O que uma divisão descuidada vazaria?"),
    "demo_leakage_text": (
        "Of {n} pictures {copies} are planted copies of others: {found} were found, and {others} other pairs were "
        "linked. Divided into halves at random, {leaked} of {n_test} test pictures were seen in training; divided by "
        "groups, {clean} of {n_test_grouped}.",
        "De {n} imagens, {copies} são cópias plantadas de outras: {found} foram achadas, e {others} outros pares foram "
        "ligados. Na divisão em metades ao acaso, {leaked} de {n_test} imagens de teste foram vistas no treino; na "
        "divisão por grupos, {clean} de {n_test_grouped}.",
    ),
    "demo_comparison": ("Is one encoder better than the other?", "Um codificador é melhor que o outro?"),
    "demo_learning": ("One encoder learns Portuguese", "Um codificador aprende português"),
    "demo_learning_more": ("How it learnt", "Como aprendeu"),
    "demo_learning_page": ("What fine-tuning changed, and what it cost", "O que o ajuste fino mudou, e quanto custou"),
    "demo_learning_note": (
        "It kept its eyes and learnt words: captions in both languages of training pictures, none of which is among "
        "those it is measured on. The checkpoint is in the folder demo-tuned/model.",
        "Manteve os olhos e aprendeu palavras: legendas nos dois idiomas de imagens de treino, nenhuma das quais está "
        "entre as da medição. O checkpoint está na pasta demo-tuned/model.",
    ),
    "demo_styles": ("Sketches: four ways to learn them", "Esboços: quatro modos de aprendê-los"),
    "demo_styles_step": ("Sketches: {method}", "Esboços: {method}"),
    "demo_styles_before": ("Sketches: before learning them", "Esboços: antes de aprendê-los"),
    "demo_styles_more": ("How each of the four learnt", "Como cada um dos quatro aprendeu"),
    "demo_styles_page": ("By {method}: {trains}", "Por {method}: {trains}"),
    "demo_styles_links": (
        "All begin from the encoder that knows flat drawings only, and learn from the same sketches and flat drawings "
        "with English captions. The checkpoints are in the folders demo-sketches/METHOD/model.",
        "Todos partem do codificador que só conhece desenhos chapados e aprendem com os mesmos esboços e desenhos "
        "chapados, com legendas em inglês. Os checkpoints estão nas pastas demo-sketches/MÉTODO/model.",
    ),
    "demo_styles_method": ("method (what learns)", "método (o que aprende)"),
    "demo_styles_full": ("everything", "tudo"),
    "demo_styles_lora": ("additions of low rank", "adições de posto baixo"),
    "demo_styles_lit": ("the image tower", "a torre de imagens"),
    "demo_styles_head": ("the projections", "as projeções"),
    "demo_styles_start": ("as it was", "como era"),
    "demo_styles_alpha": ("share kept", "parcela que ficou"),
    "demo_styles_sketches": ("sketches", "esboços"),
    "demo_styles_flat": ("flat drawings", "desenhos chapados"),
    "demo_styles_note": (
        "Recall@1 from text to image before → after, with the 95 % interval of the difference, paired by query, on "
        "pictures that nothing was learnt from or decided by. Of what was learnt the share was kept (alpha) that finds "
        "most sketches at a loss of at most {allowed} points of flat drawings, both on pictures that decide. Seconds "
        "and prices are of the whole of it: prediction, training, validation and proof; they are by the clock, so that "
        "other work on the machine changes them and their order. Nothing cheaper finds more "
        "sketches than what has a *: the line in the drawing, whose points from left to right are the rows from top to "
        "bottom.",
        "Recall@1 de texto para imagem antes → depois, com o intervalo de 95 % da diferença, pareada por consulta, em "
        "imagens de que nada foi aprendido nem decidido. Do aprendido ficou a parcela (alfa) que acha mais esboços com "
        "perda de no máximo {allowed} pontos de desenhos chapados, ambos em imagens que decidem. Segundos e preços são "
        "de tudo: previsão, treino, validação e prova; são pelo relógio, e outro trabalho na máquina os muda, e a sua "
        "ordem. Nada mais barato acha mais esboços do que o que tem *: a linha "
        "do desenho, cujos pontos da esquerda para a direita são as linhas da tabela de cima para baixo.",
    ),
    "demo_styles_ahead": (
        "Most sketches are found by {method}, surely ahead of each of the others: {before} before, {after} after.",
        "Quem mais acha esboços é {method}, com certeza à frente de cada um dos outros: de {before} a {after}.",
    ),
    "demo_styles_first": (
        "Most sketches are found by {method}, {before} before and {after} after, not surely ahead of each of the "
        "others.",
        "Quem mais acha esboços é {method}, {before} antes e {after} depois, sem estar com certeza à frente de cada um "
        "dos outros.",
    ),
    "demo_styles_unlearnt": ("No method has surely learnt sketches.", "Nenhum método aprendeu esboços com certeza."),
    "demo_styles_thrifty": (
        "For its cost {method} has gained most: {points} points a US cent, where {best} has gained {others}.",
        "Pelo que custou, quem mais ganhou foi {method}: {points} pontos por centavo de dólar; {best} ganhou {others}.",
    ),
    "demo_styles_thrifty_too": (
        "It has gained most for its cost as well: {points} points a US cent.",
        "Foi também o que mais ganhou pelo que custou: {points} pontos por centavo de dólar.",
    ),
    "demo_styles_kept": (
        "No method has surely forgotten more of flat drawings than the {allowed} points that were allowed.",
        "Nenhum método esqueceu com certeza mais dos desenhos chapados do que os {allowed} pontos permitidos.",
    ),
    "demo_styles_maybe": (
        "In the mean, and not for sure, {methods} have lost more than that.",
        "Na média, e sem certeza, {methods} perderam mais do que isso.",
    ),
    "demo_styles_maybe_one": (
        "In the mean, and not for sure, {methods} has lost more than that.",
        "Na média, e sem certeza, {methods} perdeu mais do que isso.",
    ),
    "demo_styles_forgot": (
        "More of flat drawings than the {allowed} points that were allowed has surely been forgotten by {methods}.",
        "Mais dos desenhos chapados do que os {allowed} pontos permitidos foi com certeza esquecido por {methods}.",
    ),
    "demo_styles_unwatched": (
        "What was forgotten of flat drawings cannot be told from so few.",
        "O que se esqueceu de desenhos chapados não se pode dizer com tão poucos.",
    ),
    "demo_styles_unkept": (
        "Nothing at all was kept of what was learnt by {methods}.",
        "Nada ficou do que foi aprendido por {methods}.",
    ),
    "demo_index": ("Put to use: search in both languages", "Em uso: busca nos dois idiomas"),
    "demo_index_text": (
        "{n} pictures with captions in both languages, indexed with the encoder that has learnt Portuguese. "
        "Below are searches in the bundle; one of them asks for what no picture shows. These commands search and serve "
        "it:",
        "{n} imagens com legendas nos dois idiomas, indexadas com o codificador que aprendeu português. Abaixo, buscas "
        "no pacote; uma delas pede o que nenhuma imagem mostra. Estes comandos buscam nele e o servem:",
    ),
    "demo_index_numbers": ("When is nothing relevant?", "Quando nada é relevante?"),
    "demo_reranking": ("Sketches, looked at a second time", "Esboços, olhados uma segunda vez"),
    "demo_reranking_numbers": ("What the second look changed", "O que o segundo olhar mudou"),
    "demo_reranking_note": (
        "ELIP: the first candidates of a text are looked at again, each in the light of that text, by the same "
        "encoder. The re-ranker has learnt from other sketches; how far it is believed was chosen on others again.",
        "ELIP: as primeiras candidatas de um texto são olhadas de novo, cada uma à luz desse texto, pelo mesmo "
        "codificador. O reordenador aprendeu com outros esboços; quanto se acredita nele foi escolhido em outros "
        "ainda.",
    ),
    "demo_profile_step": ("Profile", "Perfil"),
    "demo_price": ("What it cost", "Quanto custou"),
    "demo_price_text": (
        "Measuring and teaching took {seconds} s. On a machine rented at {usd_per_hour} USD an hour, with the dollar "
        "at {brl_per_usd} BRL (the rates of the study this toolkit grew out of), that is {usd} USD or {brl} BRL.",
        "A medição e o ensino levaram {seconds} s. Numa máquina alugada a {usd_per_hour} USD por hora, com o dólar a "
        "{brl_per_usd} BRL (os valores do estudo de que esta ferramenta nasceu), são {usd} USD, ou {brl} BRL.",
    ),
    "demo_rank": ("right picture at rank {rank}", "imagem certa na posição {rank}"),
}
