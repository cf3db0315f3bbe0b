"""What the server says of its own, in English and Portuguese."""

from __future__ import annotations

from luneta.wording import Messages

TITLES: Messages = {
    "400": ("Bad request", "Pedido inválido"),
    "401": ("Unauthorized", "Não autorizado"),
    "403": ("Forbidden", "Proibido"),
    "404": ("Not found", "Não encontrado"),
    "405": ("Method not allowed", "Método não permitido"),
    "408": ("Request timeout", "O pedido demorou demais"),
    "411": ("Length required", "Falta o comprimento"),
    "413": ("Content too large", "Conteúdo grande demais"),
    "415": ("Unsupported media type", "Tipo de conteúdo não suportado"),
    "421": ("Misdirected request", "Pedido mal direcionado"),
    "422": ("Unprocessable content", "Conteúdo não processável"),
    "499": ("Client closed request", "O cliente fechou o pedido"),
    "500": ("Internal server error", "Erro interno do servidor"),
    "502": ("Bad gateway", "Erro de um servidor consultado"),
    "503": ("Service unavailable", "Serviço indisponível"),
    "504": ("Gateway timeout", "Tempo esgotado"),
}
"""By status, as RFC 9110 names them."""

SAID: Messages = {
    "busy": (
        "as many requests are being worked on as are taken at once: {n}. Try again in a moment.",
        "já estão em andamento tantos pedidos quantos se aceitam ao mesmo tempo: {n}. Tente de novo em instantes.",
    ),
    "slow": (
        "the answer took longer than {seconds} s. Ask for less, or try again later.",
        "a resposta levou mais de {seconds} s. Peça menos, ou tente mais tarde.",
    ),
    "slow_body": (
        "the request's body came too slowly: it gets {seconds} s, and one more for every {kib} KiB.",
        "o corpo do pedido chegou devagar demais: tem {seconds} s, e mais um a cada {kib} KiB.",
    ),
    "crowded": (
        "as many requests are arriving as are waited for at once: {n}. Try again in a moment.",
        "já estão chegando tantos pedidos quantos se esperam ao mesmo tempo: {n}. Tente de novo em instantes.",
    ),
    "no_room": (
        "there is no room now for so large a request, beside those that are arriving. Try again in a moment.",
        "não há lugar agora para um pedido tão grande, ao lado dos que estão chegando. Tente de novo em instantes.",
    ),
    "gone": ("the client has gone.", "o cliente saiu."),
    "internal": (
        "something went wrong here, and it is not the request's fault. The server's log says where.",
        "algo deu errado aqui, e não por causa do pedido. O log do servidor diz onde.",
    ),
    "no_page": (
        "there is nothing at this address. /docs says what there is.",
        "não há nada neste endereço. Veja /docs.",
    ),
    "method": (
        "this address does not take {method}. /docs says what it takes.",
        "este endereço não aceita {method}. Veja /docs.",
    ),
    "no_bundle": ("there is no bundle of that name. Known: {names}", "não há pacote com esse nome. Há: {names}"),
    "no_item": ("the bundle has no {side} with this number.", "o pacote não tem {side} com este número."),
    "no_thumbnail": ("there is no small picture of this item.", "não há miniatura deste item."),
    "no_side": ("the bundle has no {side}s.", "o pacote não tem itens do tipo {side}."),
    "token": (
        "a token is needed: send it as Authorization: Bearer TOKEN.",
        "é preciso um token: envie-o como Authorization: Bearer TOKEN.",
    ),
    "host": (
        "this server does not answer to that host name; whoever runs it can allow it with --name. Without any --name "
        "it answers to the addresses that it listens at.",
        "este servidor não responde por esse nome; quem o executa pode permiti-lo com --name. Sem nenhum --name ele "
        "responde pelos endereços em que escuta.",
    ),
    "origin": (
        "a page of another site may not ask this server; its own pages and programs may.",
        "uma página de outro site não pode fazer pedidos a este servidor; as dele e os programas podem.",
    ),
    "uploads_full": (
        "there is no room for more uploads now. Try again later.",
        "não há espaço para mais envios agora. Tente de novo mais tarde.",
    ),
    "too_large": (
        "the request is larger than {limit} MiB, the limit. Send a smaller picture.",
        "o pedido passa de {limit} MiB, o limite. Envie uma imagem menor.",
    ),
    "too_many_pixels": (
        "the picture has more than {limit} million pixels, the limit. Send a smaller one.",
        "a imagem passa de {limit} milhões de pixels, o limite. Envie uma menor.",
    ),
    "content_type": (
        "the body has to be application/json or multipart/form-data.",
        "o corpo tem de ser application/json ou multipart/form-data.",
    ),
    "json": ("the body is no JSON: {why}", "o corpo não é JSON: {why}"),
    "multipart": ("the body is no whole multipart form: {why}", "o corpo não é um formulário multipart inteiro: {why}"),
    "multipart_field": (
        "the form has a field called {name}: pictures are sent as {picture}, and all other fields together as JSON in "
        """one field called {rest}, such as {rest}={{"top_k": 5}}.""",
        "o formulário tem um campo chamado {name}: imagens vão como {picture}, e todos os outros campos juntos, em "
        """JSON, num só campo chamado {rest}, como {rest}={{"top_k": 5}}.""",
    ),
    "too_many_parts": (
        "the form has more than {n} fields, the limit.",
        "o formulário tem mais de {n} campos, o limite.",
    ),
    "too_many_values": (
        "the body holds more fields and values than any form takes.",
        "o corpo contém mais campos e valores do que qualquer formulário aceita.",
    ),
    "base64": ("a picture is not encoded in base64.", "uma imagem não está em base64."),
    "picture": ("a picture cannot be read: {why}", "uma imagem não pode ser lida: {why}"),
    "no_pictures": (
        "pictures cannot be read here now, since the encoder is not loaded. Search by text.",
        "imagens não podem ser lidas aqui agora, pois o codificador não está carregado. Busque por texto.",
    ),
    "unreadable": (
        "the bundle cannot be read now. The server's log says where it stopped.",
        "o pacote não pode ser lido agora. O log do servidor diz onde parou.",
    ),
    "no_urls": (
        "pictures are not fetched from that address here; send the picture itself.",
        "imagens não são buscadas desse endereço aqui; envie a própria imagem.",
    ),
    "fetch": ("the picture cannot be fetched: {why}", "a imagem não pode ser buscada: {why}"),
    "no_query": (
        "say what to look for: query, image or parts.",
        "diga o que procurar: query, image ou parts.",
    ),
    "nothing_to_embed": ("give texts or images.", "indique texts ou images."),
    "no_reranker": (
        "this bundle has no re-ranker; leave rerank out.",
        "este pacote não tem reordenador; omita rerank.",
    ),
    "deep": (
        "at most {n} answers can be paged through with diversity or near.",
        "no máximo {n} respostas podem ser percorridas com diversity ou near.",
    ),
    "fields": ("fields that are not as expected: {n}.", "campos que não estão como esperado: {n}."),
}

FIELDS: Messages = {
    "missing": ("is missing", "está faltando"),
    "extra_forbidden": ("is not known here", "não é conhecido aqui"),
    "null": ("must not be null", "não pode ser null"),
    "int_type": ("has to be a whole number", "tem de ser um número inteiro"),
    "int_parsing": ("has to be a whole number", "tem de ser um número inteiro"),
    "int_parsing_size": ("is too large a number", "é um número grande demais"),
    "int_from_float": ("has to be a whole number", "tem de ser um número inteiro"),
    "float_type": ("has to be a number", "tem de ser um número"),
    "float_parsing": ("has to be a number", "tem de ser um número"),
    "finite_number": ("has to be a finite number", "tem de ser um número finito"),
    "string_type": ("has to be a text", "tem de ser um texto"),
    "string_unicode": ("is no text: it holds half of a character", "não é texto: contém meio caractere"),
    "string_too_long": ("is longer than {max_length} characters", "tem mais de {max_length} caracteres"),
    "string_too_short": ("is empty", "está vazio"),
    "bool_type": ("has to be true or false", "tem de ser true ou false"),
    "list_type": ("has to be a list", "tem de ser uma lista"),
    "too_long": ("has more than {max_length} elements", "tem mais de {max_length} elementos"),
    "too_short": ("has fewer than {min_length} elements", "tem menos de {min_length} elementos"),
    "literal_error": ("has to be {expected}", "tem de ser {expected}"),
    "greater_than_equal": ("has to be at least {ge}", "tem de ser pelo menos {ge}"),
    "greater_than": ("has to be above {gt}", "tem de ser maior que {gt}"),
    "less_than_equal": ("has to be at most {le}", "tem de ser no máximo {le}"),
    "model_type": ("has to be an object", "tem de ser um objeto"),
    "model_attributes_type": ("has to be an object", "tem de ser um objeto"),
    "one_of": (
        "has to name one of text, image, image_url and item",
        "tem de indicar um entre text, image, image_url e item",
    ),
    "other": ("is not as expected", "não está como esperado"),
}
"""What is wrong with a field, by the kind that pydantic gives it."""

SERVER: Messages = {
    "serving": (
        "Serving at {address} (Ctrl-C stops it); {address}/docs says how the API is used.",
        "Servindo em {address} (Ctrl-C para); {address}/docs diz como usar a API.",
    ),
    "open_to_all": (
        "Whoever reaches {host} may search: there is no token (--token-file).",
        "Quem alcançar {host} pode buscar: não há token (--token-file).",
    ),
    "stopped": ("Stopped.", "Parado."),
}
"""What `luneta serve` says."""
