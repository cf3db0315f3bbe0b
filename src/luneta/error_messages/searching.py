"""Errors of queries, filters, bundles and servers: English -> Portuguese."""

from __future__ import annotations

_QUERIES = {
    "a part of a query weighs {weight}, expected a number up to 1000 that is not 0": (
        "uma parte da consulta pesa {weight}; esperava-se um número até 1000 que não seja 0"
    ),
    "a query is empty: say what to look for": "uma consulta está vazia: diga o que procurar",
    "a part of the query is empty: say what to look for": "uma parte da consulta está vazia: diga o que procurar",
    "say what to look for: a text, a picture or an item": "diga o que procurar: um texto, uma imagem ou um item",
    "in is {among}, expected pictures or texts": "--in é {among}; esperava-se pictures ou texts",
    "explanations are shown in a report: name its file (--report)": (
        "explicações aparecem num relatório: indique o arquivo (--report)"
    ),
    "{path} cannot be searched for: {why}": "não é possível buscar por {path}: {why}",
    "a query has {n_characters} characters; at most {n_most} are taken": (
        "uma consulta tem {n_characters} caracteres; aceitam-se no máximo {n_most}"
    ),
    "a query has {n_parts} parts, expected 1 to {n_most}": (
        "uma consulta tem {n_parts} partes; esperava-se de 1 a {n_most}"
    ),
    "the parts of {query} cancel one another: nothing is left": "as partes de {query} se anulam: não sobra nada",
    "answers {n_first} to {n_last} were asked for; expected at least one of the first {n_most}": (
        "pediram-se as respostas de {n_first} a {n_last}; esperava-se ao menos uma das primeiras {n_most}"
    ),
    "only pictures can be re-ranked; search for them (target image), or leave rerank out": (
        "só imagens podem ser reordenadas; busque por elas (target image), ou omita rerank"
    ),
    "only a query that is one text can be re-ranked": "só uma consulta que seja um único texto pode ser reordenada",
    "diversity is {value}, expected 0 (by score) to 1": "diversity é {value}; esperava-se de 0 (por pontuação) a 1",
    "near is {value}, expected a cosine above 0 and up to 1": (
        "near é {value}; esperava-se um cosseno acima de 0 e até 1"
    ),
    "target is {target}, expected image or text": "target é {target}; esperava-se image ou text",
    "the bundle has no {side} with the number {number}": "o pacote não tem {side} com o número {number}",
    "{bundle} has no {side}s to search; it has: {sides}": "{bundle} não tem {side} para buscar; tem: {sides}",
    "{bundle} has no re-ranker; give it one with {command}": "{bundle} não tem reordenador; dê-lhe um com {command}",
}

_FILTERS = {
    "the filter has {n_characters} characters; at most {n_most} are read. Make it shorter.": (
        "o filtro tem {n_characters} caracteres; leem-se no máximo {n_most}. Encurte-o."
    ),
    "the filter, at character {n_at}: {why}\n{place}": "o filtro, no caractere {n_at}: {why}\n{place}",
}

_SERVERS = {
    "there is no bundle to serve": "não há pacote para servir",
    "a bundle cannot be called {name}: its name stands in addresses": (
        "um pacote não pode se chamar {name}: o nome aparece em endereços"
    ),
    "two bundles are called {name}: {one} and {other}; rename one of the folders": (
        "dois pacotes se chamam {name}: {one} e {other}; mude o nome de uma das pastas"
    ),
    "cannot listen at {address}: {why}. Choose another port (0 takes a free one) or host.": (
        "não é possível escutar em {address}: {why}. Escolha outra porta (0 usa uma livre) ou outro host."
    ),
    "the token cannot be read from {path}: {why}": "o token não pode ser lido de {path}: {why}",
    "the token has {n_characters} characters, expected at least {n_least} ASCII characters; make one with: {command}": (
        "o token tem {n_characters} caracteres; esperavam-se ao menos {n_least} caracteres ASCII; faça: {command}"
    ),
    "{bundle} is no bundle: {why}. Make one with {command}.": "{bundle} não é um pacote: {why}. Crie um com {command}.",
}

_OF_FILTERS = {
    "there is no column {column}. {hint}": "não há a coluna {column}. {hint}",
    "there are {n_columns} columns {column}.": "há {n_columns} colunas {column}.",
    "it is empty. Write, for example: year < 1900": "está vazio. Escreva, por exemplo: year < 1900",
    "expected {reason}, not {found}.": "esperava-se {reason}, e não {found}.",
    "expected {reason}, not the end of the filter.": "esperava-se {reason}, e não o fim do filtro.",
    "and, or, or the end": "and, or, ou o fim",
    "and, or, or )": "and, or, ou )",
    ", or )": ", ou )",
    "null or not null": "null ou not null",
    "( and the values: in ('a', 'b')": "( e os valores: in ('a', 'b')",
    "and, then the upper end: between 1880 and 1900": "and, depois o limite superior: between 1880 and 1900",
    "a comparison (= != < <= > >=), in, between, like, contains or is": (
        "uma comparação (= != < <= > >=), in, between, like, contains ou is"
    ),
    "the name of a column (in double quotes where it is one of the language's own words)": (
        "o nome de uma coluna (entre aspas duplas, se for uma palavra da própria linguagem)"
    ),
    "a value (text goes in single quotes: 'like this')": "um valor (texto vai entre aspas simples: 'assim')",
    "a value (nothing equals null: write is null or is not null)": (
        "um valor (nada é igual a null: escreva is null ou is not null)"
    ),
    "a value: text in single quotes, a number, true or false": (
        "um valor: texto entre aspas simples, um número, true ou false"
    ),
    "this text has no end: a single quote is missing (a quote within text is written twice: '').": (
        "este texto não termina: falta uma aspa simples (uma aspa dentro do texto se escreve duas vezes: '')."
    ),
    "this name of a column has no end or is empty: {quote} is missing.": (
        "este nome de coluna não termina ou está vazio: falta {quote}."
    ),
    "this is no number. A name that begins with a digit goes in double quotes.": (
        "isto não é um número. Um nome que começa com algarismo vai entre aspas duplas."
    ),
    "{sign} is not known here: write and, or, not.": "{sign} não é conhecido aqui: escreva and, or, not.",
    "{sign} is not known here. A name with more than letters, digits and _ goes in double quotes.": (
        "{sign} não é conhecido aqui. Um nome com mais que letras, algarismos e _ vai entre aspas duplas."
    ),
    "this number is too large.": "este número é grande demais.",
    "{operator} wants text in single quotes.": "{operator} pede texto entre aspas simples.",
    "more than {n_most} parentheses and nots within one another.": (
        "mais de {n_most} parênteses e not um dentro do outro."
    ),
    "the character {name} is no text.": "o caractere {name} não é texto.",
    "{column} holds {reason}, and {value} is none of it.": "{column} contém {reason}, e {value} não é nada disso.",
    "{column} holds {reason}, which {operator} cannot be asked of. {hint}": (
        "{column} contém {reason}, e {operator} não se aplica. {hint}"
    ),
    "Write: ... contains 'value'.": "Escreva: ... contains 'valor'.",
    "Write: ... like '%value%'.": "Escreva: ... like '%valor%'.",
    "Write: ... = true.": "Escreva: ... = true, por exemplo.",
    "It can be asked for is null and is not null only.": "Só se pode pedir is null e is not null.",
    "Write a comparison: = != < <= > >=, in or between.": "Escreva uma comparação: = != < <= > >=, in ou between.",
    "whole numbers": "números inteiros",
    "dates or times (as text: '1889-06-18', '2024-01-31T12:30:00')": (
        "datas ou horas (como texto: '1889-06-18', '2024-01-31T12:30:00')"
    ),
    "numbers": "números",
    "text (in single quotes)": "texto (entre aspas simples)",
    "true and false": "true e false (verdadeiro e falso)",
    "lists of text": "listas de textos",
}

ERRORS = _QUERIES | _FILTERS | _SERVERS
PARTS = _OF_FILTERS
