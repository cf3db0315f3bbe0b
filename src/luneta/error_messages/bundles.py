"""Errors of bundles, of their indexes and of Milvus: English -> Portuguese."""

from __future__ import annotations

_DAMAGE = {
    "{path} is missing, though {record} names it; {hint}": "falta {path}, que {record} cita; {hint}",
    "{path} has {n_bytes} bytes, but had {n_written} when it was written; {hint}": (
        "{path} tem {n_bytes} bytes, mas tinha {n_written} quando foi escrito; {hint}"
    ),
    "{path} is damaged: its SHA-256 is not the one that {record} names; {hint}": (
        "{path} está danificado: o seu SHA-256 não é o que {record} cita; {hint}"
    ),
    "{path} is damaged: it is not what was sealed; take it from a copy, or make the bundle again with `luneta index`": (
        "{path} está danificado: não é o que foi selado; pegue-o de uma cópia, ou faça o pacote de novo com `luneta "
        "index`"
    ),
    "{path} is damaged or missing: {why}": "{path} está danificado ou falta: {why}",
    "{path} is not the record of a bundle that this version reads ({why}); make the bundle again with `luneta index`": (
        "{path} não é o registro de um pacote que esta versão leia ({why}); faça o pacote de novo com `luneta index`"
    ),
    "{path} holds {dtype} of shape {shape}, expected {n_vectors} float32 vectors": (
        "{path} contém {dtype} de forma {shape}; esperavam-se {n_vectors} vetores float32"
    ),
    "{path} is no table of {side} items: it lacks {names}": "{path} não é uma tabela de itens ({side}): falta {names}",
    "{path} is no calibration ({why})": "{path} não é uma calibração ({why})",
    "{path} is no pack of thumbnails": "{path} não é um arquivo de miniaturas",
    "{path} is no whole index: {why}; take it from a copy, or build the index again": (
        "{path} não é um índice inteiro: {why}; pegue-o de uma cópia, ou construa o índice de novo"
    ),
    "{path} is an index with {name} {value}, not {expected}: it belongs to other vectors": (
        "{path} é um índice com {name} {value}, e não {expected}: é de outros vetores"
    ),
    "{path} is not the manifest of an index ({schema})": "{path} não é o manifesto de um índice ({schema})",
    "{path} is damaged: {why}": "{path} está danificado: {why}",
}

_MAKING = {
    "{folder} is not there yet, so there is nothing to update": "{folder} ainda não existe: não há o que atualizar",
    "{folder} is there already: bring it up to date (--update), or choose another place": (
        "{folder} já existe: atualize-o (--update), ou escolha outro lugar"
    ),
    "name the data to index, or say what the bundle is to be given: update, calibrate, reranker": (
        "indique os dados a indexar, ou diga o que o pacote deve receber: --update, --calibrate, --reranker"
    ),
    "calibrate takes {own} while a bundle is made; with other data calibrate afterwards: luneta index --out {out} "
    "--calibrate {data}": (
        "calibrate aceita {own} enquanto um pacote é feito; com outros dados, calibre depois: luneta index --out {out} "
        "--calibrate {data}"
    ),
    "{folder} does not know where its data are: name them": "{folder} não sabe onde estão os seus dados: indique-os",
    "{folder} is a file; a bundle is a folder: choose another name": (
        "{folder} é um arquivo, e um pacote é uma pasta: escolha outro nome"
    ),
    "{folder} holds {strange}, which is no part of a bundle; choose a new folder, such as {example}": (
        "{folder} contém {strange}, que não faz parte de um pacote; escolha uma pasta nova, como {example}"
    ),
    "{folder} is being written by another process; wait until it is done": (
        "outro processo está escrevendo em {folder}; espere que termine"
    ),
    "cannot remove {path}: {why}": "não é possível apagar {path}: {why}",
    "{name} has no fingerprint, so that nothing would tell its vectors from another encoder's; give its spec one": (
        "{name} não tem impressão digital, e nada distinguiria os seus vetores dos de outro codificador; dê uma ao seu "
        "spec"
    ),
    "{name} is {value}, expected a positive number of mebibytes": (
        "{name} é {value}; esperava-se um número positivo de mebibytes"
    ),
    "{folder} was made with {name} ({dtype}, fingerprint {head}), but {other} ({other_dtype}, {other_head}) was given. "
    "Their vectors cannot be compared: use the first encoder, or make the bundle again with the second.": (
        "{folder} foi feito com {name} ({dtype}, impressão digital {head}), mas foi dado {other} ({other_dtype}, "
        "{other_head}). Os vetores dos dois não se comparam: use o primeiro codificador, ou faça o pacote de novo com "
        "o segundo."
    ),
    "{folder} was made with {name}, an object of your own: give it by --encoder": (
        "{folder} foi feito com {name}, um objeto seu: indique-o com --encoder"
    ),
    "{path} does not say where data and encoder are: delete it, and name them": (
        "{path} não diz onde estão os dados e o codificador: apague-o, e indique-os"
    ),
    "{data} holds judged queries; cut-offs are chosen with pairs of pictures and captions": (
        "{data} tem consultas julgadas; os cortes são escolhidos com pares de imagens e legendas"
    ),
    "mistake is {value}, expected {names}": "mistake é {value}; esperava-se {names}",
    "error_rate is {value}, expected a share between 0 and 1": (
        "error_rate é {value}; esperava-se uma parcela entre 0 e 1"
    ),
    "{n_queries} queries to choose a cut-off with are too few for an error rate of {share}: at least {n_needed} are "
    "needed": (
        "{n_queries} consultas para escolher um corte são poucas para uma taxa de erro de {share}: são precisas pelo "
        "menos {n_needed}"
    ),
    "no queries are left to measure the cut-off with: give more data": (
        "não restam consultas para medir o corte: dê mais dados"
    ),
}

_INDEXES = {
    "there is no index of kind {kind}. {hint}": "não há índice do tipo {kind}. {hint}",
    "recall is {value}; expected more than 0, at most 1": "recall é {value}; esperava-se mais de 0, no máximo 1",
    "{name} is {value}; expected a positive number of mebibytes": (
        "{name} é {value}; esperava-se um número positivo de mebibytes"
    ),
    "there is not memory enough to {reason} an index of kind {kind}; choose one that needs less (ivf-pq needs least), "
    "or a smaller memory_mib, so that it is chosen": (
        "não há memória que baste para {reason} um índice do tipo {kind}; escolha um que precise de menos (ivf-pq "
        "precisa de menos que todos), ou um --memory menor, para que seja escolhido"
    ),
    "cannot write vectors to a temporary file in {folder}: {why}. Set TMPDIR to a folder with more space": (
        "não é possível escrever vetores num arquivo temporário em {folder}: {why}. Indique em TMPDIR uma pasta com "
        "mais espaço"
    ),
}

_MILVUS = {
    "{folder} is searched in Milvus, but does not say where: set {variable}, or update it with --milvus URI": (
        "busca-se em {folder} no Milvus, mas não se diz onde: defina {variable}, ou atualize-o com --milvus URI"
    ),
    "there is no file {path}; collections are made with MilvusCollection.create": (
        "não há o arquivo {path}; coleções são criadas com MilvusCollection.create"
    ),
    "there is no collection {name} at {place}. {hint}": "não há a coleção {name} em {place}. {hint}",
    "{uri} is neither a server (http://host:19530) nor a file of Milvus Lite (shop.db)": (
        "{uri} não é um servidor (http://host:19530) nem um arquivo do Milvus Lite (shop.db)"
    ),
    "{path} cannot be opened: it is no database of Milvus Lite, or another process has it open. One may at a time; "
    "several share a server: {command}": (
        "{path} não pode ser aberto: não é um banco do Milvus Lite, ou outro processo o tem aberto. Só um pode por "
        "vez; vários partilham um servidor: {command}"
    ),
    "no Milvus answers at {place}. Start one ({command}, or Milvus itself), or check address, port and network": (
        "nenhum Milvus responde em {place}. Inicie um ({command}, ou o próprio Milvus), ou verifique endereço, porta e "
        "rede"
    ),
}

ERRORS = _DAMAGE | _MAKING | _INDEXES | _MILVUS
PARTS = {
    "take it from a copy of the bundle, or delete the folder and make the bundle again with `luneta index`": (
        "pegue-o de uma cópia do pacote, ou apague a pasta e faça o pacote de novo com `luneta index`"
    ),
    "no such folder": "não há essa pasta",
    "it has no {record}": "falta {record}",
    "its end is not that of an index": "o fim não é o de um índice",
    "its bytes are not those that were written": "os bytes não são os que foram escritos",
    "it is too short": "é curto demais",
    "open": "abrir",
    "write": "escrever",
    "search": "buscar em",
    "build": "construir",
    "add to": "ampliar",
    "remove from": "reduzir",
}
