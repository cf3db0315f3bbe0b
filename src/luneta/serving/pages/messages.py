"""What the pages say, in English and in Brazilian Portuguese."""

from __future__ import annotations

from luneta.wording import Messages

PAGES: Messages = {
    # -- the frame
    "tab_search": ("Search", "Busca"),
    "tab_lab": ("Lab", "Laboratório"),
    "language": ("Language", "Idioma"),
    "theme": ("Light or dark", "Claro ou escuro"),
    "skip": ("Skip to the search", "Ir para a busca"),
    "counts": ("{images} pictures · {texts} texts", "{images} imagens · {texts} textos"),
    "found_by": ("found by {encoder}", "encontradas por {encoder}"),
    "api_docs": ("API", "API"),
    # -- what is asked
    "bundle": ("Collection", "Acervo"),
    "query": ("What are you looking for?", "O que você procura?"),
    "query_placeholder": ("a red boat on the beach", "um barco vermelho na praia"),
    "query_info": (
        "Add and take away with a sign between spaces: a dress + red - long",
        "Some e subtraia com um sinal entre espaços: um vestido + vermelho - longo",
    ),
    "search": ("Search", "Buscar"),
    "try": ("Try", "Experimente"),
    "picture_group": ("Search by picture", "Buscar por imagem"),
    "picture": ("A picture to look for", "Uma imagem para procurar"),
    "picture_placeholder": (
        "Drop a picture here\nor choose one, up to {mib} MiB",
        "Solte uma imagem aqui\nou escolha uma, de até {mib} MiB",
    ),
    "filters": ("Filters", "Filtros"),
    "all": ("all", "todos"),
    "from": ("{name}: from", "{name}: de"),
    "to": ("{name}: to", "{name}: até"),
    "holds": ("words in it", "palavras contidas"),
    "where_group": ("A condition of your own", "Uma condição sua"),
    "where": ("Condition", "Condição"),
    "where_info": (
        "For any column: style = 'flat' and year < 1900. Columns: {columns}",
        "Para qualquer coluna: style = 'flat' and year < 1900. Colunas: {columns}",
    ),
    "clear_filters": ("Clear filters", "Limpar filtros"),
    "options": ("Options", "Opções"),
    "target": ("Search among", "Procurar entre"),
    "target_image": ("pictures", "imagens"),
    "target_text": ("texts", "textos"),
    "rerank": ("Look twice (re-rank)", "Olhar duas vezes (reordenar)"),
    "rerank_info": (
        "The first answers are looked at again in the light of the text; slower.",
        "As primeiras respostas são examinadas de novo à luz do texto; mais lento.",
    ),
    "varied": ("Varied answers", "Respostas variadas"),
    "near": ("One of each near-duplicate", "Uma de cada quase igual"),
    # -- what is answered
    "answers": ("Answers", "Respostas"),
    "start": ("Some of what is in here", "Um pouco do que há aqui"),
    "summary": ("{first}–{last} for “{query}”", "{first}–{last} para “{query}”"),
    "summary_none": ("Nothing found for “{query}”", "Nada encontrado para “{query}”"),
    "seconds": ("{seconds} s", "{seconds} s"),
    "where_is": ("where {where}", "onde {where}"),
    "a_picture": ("your picture", "a sua imagem"),
    "like_item": ("like “{name}”", "como “{name}”"),
    "nothing_relevant": ("Nothing relevant here", "Nada relevante aqui"),
    "nothing_why": (
        "The best answer scores {best}, below {cutoff}: the score under which answers were measured to be of no use.",
        "A melhor resposta tem {best}, abaixo de {cutoff}: a pontuação sob a qual se mediu que nada serve.",
    ),
    "anyway": ("Look anyway", "Ver mesmo assim"),
    "shown_anyway": (
        "None of these is relevant as far as was measured; they are only the nearest.",
        "Nenhuma destas é relevante, pelo que se mediu; são apenas as mais próximas.",
    ),
    "nothing_left": (
        "Nothing is left: loosen the filters, or search for something else.",
        "Não sobrou nada: afrouxe os filtros ou procure outra coisa.",
    ),
    "score": ("score", "pontuação"),
    "rank": ("answer {rank}", "resposta {rank}"),
    "was_rank": ("was {rank}", "era {rank}"),
    "also": ("+ {n} near-duplicates", "+ {n} quase iguais"),
    "more": ("More like this", "Mais como esta"),
    "why": ("Why this one?", "Por que esta?"),
    "up": ("This is what I mean", "É isto que eu quero"),
    "down": ("Not this", "Isto não"),
    "no_picture": ("the picture has gone", "a imagem não está mais lá"),
    "previous": ("Previous", "Anteriores"),
    "next": ("Next", "Próximas"),
    "pages": ("Pages of answers", "Páginas de respostas"),
    # -- feedback
    "marks": ("Your thumbs: {up} up, {down} down", "Seus polegares: {up} para cima, {down} para baixo"),
    "marks_use": ("Search again with them", "Buscar de novo com eles"),
    "marks_clear": ("Forget them", "Esquecê-los"),
    "marks_used": (
        "{n} of your thumbs moved this search.",
        "{n} dos seus polegares orientaram esta busca.",
    ),
    "marks_export": ("Download your thumbs", "Baixar os seus polegares"),
    "marks_kept": ("Kept in {path}", "Guardados em {path}"),
    "marks_kept_there": (
        "Kept by the server; nothing is sent elsewhere.",
        "Guardados pelo servidor; nada é enviado a outro lugar.",
    ),
    # -- why
    "why_title": ("What carries the score", "O que sustenta a pontuação"),
    "why_map": (
        "Warm where the score falls when that part is covered, cold where it rises.",
        "Quente onde a pontuação cai quando se cobre aquela parte, frio onde ela sobe.",
    ),
    "why_map_alt": ("Heat map of: {name}", "Mapa de calor de: {name}"),
    "why_words": (
        "How much the score falls without each word:",
        "Quanto a pontuação cai sem cada palavra:",
    ),
    "why_texts_only": (
        "Heat maps are drawn on pictures; search among pictures to see one.",
        "Mapas de calor são desenhados sobre imagens; busque entre imagens para ver um.",
    ),
    "texts_of_it": ("Its texts", "Seus textos"),
    "known_of_it": ("What is known of it", "O que se sabe dela"),
    "close": ("Close", "Fechar"),
    # -- errors
    "error": ("This did not work", "Isto não funcionou"),
    "no_query": (
        "Say what to look for: a text, a picture, or both.",
        "Diga o que procurar: um texto, uma imagem ou ambos.",
    ),
    "picture_gone": (
        "The picture is no longer here; choose it again.",
        "A imagem não está mais aqui; escolha-a de novo.",
    ),
    "no_bundle": (
        "This collection is no longer served; load the page again.",
        "Este acervo não é mais servido; recarregue a página.",
    ),
}
