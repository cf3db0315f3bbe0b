"""Errors of data sets, encoders, evaluations, trainings and the command line: English -> Portuguese."""

from __future__ import annotations

_HINTS = {
    "Did you mean {one}?": "Você quis dizer {one}?",
    "Did you mean {one} or {two}?": "Você quis dizer {one} ou {two}?",
    "Did you mean {one} or {two} or {three}?": "Você quis dizer {one}, {two} ou {three}?",
    "Known: {names}": "Há: {names}",
    "There are none.": "Não há nenhum.",
    "{place} holds {names}": "Em {place} há {names}",
    "the captions": "as legendas",
    "captions in {language}": "legendas em {language}",
    "  row {row}, {source}: {reason}": "  linha {row}, {source}: {reason}",
}

_SYSTEM = {
    "No such file or directory": "arquivo ou pasta inexistente",
    "Permission denied": "permissão negada",
    "Is a directory": "é uma pasta",
    "Not a directory": "não é uma pasta",
    "File exists": "já existe um arquivo com esse nome",
    "No space left on device": "não há espaço no disco",
    "Read-only file system": "o disco é só de leitura",
    "File name too long": "nome de arquivo longo demais",
}

_USE = {
    "No such option: {option}": "Não há a opção {option}",
    "No such option: {option} (Possible options: {options})": "Não há a opção {option} (opções possíveis: {options})",
    "No such option: {option} Did you mean {near}?": "Não há a opção {option}. Você quis dizer {near}?",
    "No such command {name}.": "Não há o comando {name}.",
    "No such command {name}. {hint}": "Não há o comando {name}. {hint}",
    "Missing argument {name}.": "Falta o argumento {name}.",
    "Missing option {name}.": "Falta a opção {name}.",
    "Got unexpected extra argument(s) ({names})": "Há argumentos a mais ({names})",
    "Option {option} requires an argument.": "A opção {option} precisa de um valor.",
    "Option {option} does not take a value.": "A opção {option} não leva valor.",
    "Invalid value for {option}: {why}": "Valor inválido para {option}: {why}",
}

_FILES = {
    "no such file: {path}": "arquivo inexistente: {path}",
    "no such file or folder: {path}. {hint}": "arquivo ou pasta inexistente: {path}. {hint}",
    "cannot write {path}: a folder of that name is in the way": (
        "não é possível escrever {path}: há uma pasta com esse nome"
    ),
    "cannot write {path}: a file of that name is in the way": (
        "não é possível escrever {path}: há um arquivo com esse nome"
    ),
    "cannot write {path}: {why}. Choose another place or free some space.": (
        "não é possível escrever {path}: {why}. Escolha outro lugar ou libere espaço."
    ),
    "cannot write {path}: {why}. Choose another place.": "não é possível escrever {path}: {why}. Escolha outro lugar.",
    "cannot make the folder {path}: {why}. Choose another place.": (
        "não é possível criar a pasta {path}: {why}. Escolha outro lugar."
    ),
    "{path} is not readable JSON: {why}": "{path} não é JSON legível: {why}",
    "{path} cannot be read: {why}": "{path} não pode ser lido: {why}",
    "{report} cannot be both the report and a result; give them different names": (
        "{report} não pode ser ao mesmo tempo o relatório e um resultado; dê nomes diferentes"
    ),
    "unknown format {form}. {hint}": "formato desconhecido: {form}. {hint}",
    "pages are not written in {locale}. {hint}": "não há páginas em {locale}. {hint}",
    "no such file or folder: {path}. {hint} For the Hugging Face Hub write {hub}.": (
        "arquivo ou pasta inexistente: {path}. {hint} Para o hub do Hugging Face, escreva {hub}."
    ),
}

_DATA = {
    "{name} names no data set: give a folder, a file, a hub id (owner/name) or {cenas}": (
        "{name} não é o nome de um conjunto de dados: indique uma pasta, um arquivo, um id do hub (dono/nome) ou "
        "{cenas}"
    ),
    "{folder} is empty or of no known layout: a folder needs a metadata.jsonl, .csv or .parquet; or pictures with "
    "their captions beside them (cat.jpg, cat.txt); or one table of file names and captions; or tar shards.": (
        "{folder} está vazia ou não tem forma conhecida: a pasta precisa de um metadata.jsonl, .csv ou .parquet; ou "
        "de imagens com as legendas ao lado (gato.jpg, gato.txt); ou de uma tabela com nomes de arquivos e legendas; "
        "ou de shards tar."
    ),
    "{folder} holds {n_pictures} pictures but no captions beside them: {picture} needs {text}, one caption a line. "
    "Otherwise {layouts}.": (
        "{folder} tem {n_pictures} imagens, mas sem legendas ao lado: {picture} precisa de {text}, uma legenda por "
        "linha."
    ),
    "{name} is a single picture; open the folder it is in, or a table that names it": (
        "{name} é uma só imagem; abra a pasta em que está, ou uma tabela que a cite"
    ),
    "{name} is a compressed archive; unpack it first (plain .tar shards are read in place)": (
        "{name} é um arquivo compactado; descompacte-o antes (shards .tar são lidos como estão)"
    ),
    "{name}: files ending in {suffix} are not read. {hint}": (
        "{name}: arquivos terminados em {suffix} não são lidos. {hint}"
    ),
    "{pattern} names {n_files} file(s) that do not exist, such as {name}": (
        "{pattern} indica {n_files} arquivo(s) que não existem, como {name}"
    ),
    "{path} is empty, or begins with an empty line; expected a header with column names": (
        "{path} está vazio, ou começa com uma linha vazia; esperava-se um cabeçalho com nomes de colunas"
    ),
    "{path} is empty; expected JSON": "{path} está vazio; esperava-se JSON",
    "{path} is not JSON: {why}": "{path} não é JSON: {why}",
    "the Hugging Face Hub cannot be reached for {name} ({why}). Check the network and proxy settings; or, where "
    "there is a network, fetch it with {call} and open that folder here": (
        "o hub do Hugging Face não pode ser alcançado para buscar {name} ({why}). Verifique a rede e o proxy; ou, "
        "onde houver rede, busque-o com {call} e abra essa pasta aqui"
    ),
    "no column {column}. {hint}": "não há a coluna {column}. {hint}",
    "no column {column} for the images. {hint}": "não há a coluna {column} para as imagens. {hint}",
    "{data} has no column {column}. {hint}": "{data} não tem a coluna {column}. {hint}",
    "{data} has no column {column} for the relevance. {hint}": (
        "{data} não tem a coluna {column} para a relevância. {hint}"
    ),
    "column {column} holds {what}, not pictures: file names, encoded bytes or {bytes_path} structs are read, one "
    "picture a row": (
        "a coluna {column} contém {what}, e não imagens: são lidos nomes de arquivos, bytes codificados ou estruturas "
        "{bytes_path}, uma imagem por linha"
    ),
    "no column of picture files or bytes among: {names}. Name it with image=.": (
        "nenhuma coluna de arquivos ou bytes de imagens entre: {names}. Indique-a com --image."
    ),
    "no column of captions among: {names}. Name it with text=.": (
        "nenhuma coluna de legendas entre: {names}. Indique-a com --text."
    ),
    "several columns hold pictures: {names}. Choose one with image=.": (
        "várias colunas contêm imagens: {names}. Escolha uma com --image."
    ),
    "several columns could hold {reason}: {names}. Choose with text= (several: text='a,b').": (
        "várias colunas podem conter {reason}: {names}. Escolha com --text (várias: --text a,b)."
    ),
    "captions in several languages: {names}. Choose one with language= (or text=COLUMN).": (
        "legendas em vários idiomas: {names}. Escolha um com --language (ou --text COLUNA)."
    ),
    "no captions in language {language}. {hint}": "não há legendas no idioma {language}. {hint}",
    "no rows in language {language}. {hint}": "não há linhas no idioma {language}. {hint}",
    "{name} has no captions in {language}. {hint}": "{name} não tem legendas em {language}. {hint}",
    "{name} has no split {split}. {hint}": "{name} não tem a divisão {split}. {hint}",
    "{name} has no splits, so not {split} either. Leave split= out to read all of it.": (
        "{name} não tem divisões, e portanto nem {split}. Deixe --split de fora para ler tudo."
    ),
    '{name} has splits: {names}. Choose one with split=, or read all with split="{every}".': (
        "{name} tem divisões: {names}. Escolha uma com --split, ou leia todas com --split {every}."
    ),
    "{name} holds no rows": "{name} não tem linhas",
    "{name}: no rows of this split and language": "{name}: não há linhas com essa divisão e esse idioma",
    "{name}: no row can be read ({reasons})": "{name}: nenhuma linha pode ser lida ({reasons})",
    "{name}: no pair of an image and a caption is left ({reasons})": (
        "{name}: não resta par de imagem e legenda ({reasons})"
    ),
    "{name}: {n_bad} of {n_rows} rows are bad ({share}%; the limit is {limit}%):{rows}\nMend them, or accept more "
    "with max_bad_share=.": (
        "{name}: {n_bad} de {n_rows} linhas são ruins ({share} %; o limite é {limit} %):{rows}\nCorrija-as, ou aceite "
        "mais com --max-bad-share."
    ),
    "{name}: none of the images can be read ({label}: {reason})": (
        "{name}: nenhuma das imagens pode ser lida ({label}: {reason})"
    ),
    "revision={revision} is for the Hugging Face Hub; {name} is on this machine": (
        "--revision {revision} é para o hub do Hugging Face; {name} está nesta máquina"
    ),
    "seed={seed}: a seed is 0 or larger": "--seed {seed}: a semente é 0 ou maior",
    "no data set {name}. {hint}": "não há o conjunto de dados {name}. {hint}",
}

_ENCODERS = {
    "unknown encoder {name}. {hint} It can also be a folder, a hub id (owner/name), or package.module:Class.": (
        "codificador desconhecido: {name}. {hint} Pode ser também uma pasta, um id do hub (dono/nome) ou "
        "pacote.modulo:Classe."
    ),
    "{path}: there is no such folder": "{path}: não existe essa pasta",
    "{path} is a file; a checkpoint is the folder that save_pretrained wrote": (
        "{path} é um arquivo; um checkpoint é a pasta que save_pretrained escreveu"
    ),
    "{name} names no encoder: give a preset, a folder, a hub id or package.module:Class": (
        "{name} não é o nome de um codificador: indique um nome curto, uma pasta, um id do hub ou pacote.modulo:Classe"
    ),
    "{name}: {folder} holds no config.json, so it is not a transformers checkpoint. A checkpoint is a folder that "
    "save_pretrained wrote.": (
        "{name}: {folder} não tem config.json, e portanto não é um checkpoint de transformers. Um checkpoint é uma "
        "pasta que save_pretrained escreveu."
    ),
    "{name}: {folder} holds no config.json, so it is not a transformers checkpoint. A checkpoint is a folder that "
    "save_pretrained wrote. One of its folders may be meant: {names}.": (
        "{name}: {folder} não tem config.json, e portanto não é um checkpoint de transformers. Um checkpoint é uma "
        "pasta que save_pretrained escreveu. Talvez se trate de uma das suas pastas: {names}."
    ),
    "{name}: {folder} holds no weights; expected model.safetensors": (
        "{name}: {folder} não tem pesos; esperava-se model.safetensors"
    ),
    "{name}: neither a folder here nor a repository on the hub ({repository}). Check the spelling; a private "
    "repository needs: hf auth login": (
        "{name}: nem uma pasta aqui nem um repositório no hub ({repository}). Confira a grafia; um repositório "
        "privado exige: hf auth login"
    ),
    "{name}: no folder of that name is here, {repository} is not in the hub's cache on this machine, and the hub "
    "cannot be reached ({why}). Fetch it where there is a network ({command}) and give the folder.": (
        "{name}: não há pasta com esse nome aqui, {repository} não está no cache do hub desta máquina, e o hub não "
        "pode ser alcançado ({why}). Busque-o onde houver rede ({command}) e indique a pasta."
    ),
    "{path}: there is no module {module} in {here} or among the packages": (
        "{path}: não há o módulo {module} em {here} nem entre os pacotes"
    ),
    "{path}: {module} has no {part}. {hint}": "{path}: {module} não tem {part}. {hint}",
    "unknown device {device}. {hint}": "dispositivo desconhecido: {device}. {hint}",
    "device {device} was asked for, but PyTorch {version} finds none here; use 'auto'": (
        "pediu-se o dispositivo {device}, mas o PyTorch {version} não encontra nenhum aqui; use 'auto'"
    ),
    "unknown dtype {dtype}. {hint}": "tipo numérico desconhecido: {dtype}. {hint}",
}

_RESULTS = {
    "unknown duplicates rule {name}. {hint}": "regra de duplicatas desconhecida: {name}. {hint}",
    "--duplicates strict counts only the given pairs: leave out --same-item, or choose merge or near": (
        "--duplicates strict conta só os pares dados: deixe --same-item de fora, ou escolha merge ou near"
    ),
    "--trec writes the run of one language; give --language one at a time": (
        "--trec escreve as respostas de um só idioma; indique um --language por vez"
    ),
    "unknown metric {metric}. {hint}": "métrica desconhecida: {metric}. {hint}",
    "cannot sort by {metric}; expected one of {names}": (
        "não é possível ordenar por {metric}; esperava-se uma de {names}"
    ),
    "unknown direction {direction}; expected one of {names}": (
        "direção desconhecida: {direction}; esperava-se uma de {names}"
    ),
    "{file} is one result, and comparing takes two or more: name another, which luneta evaluate --json writes; "
    "luneta leaderboard {folder} shows all of a folder": (
        "{file} é um só resultado, e comparar exige dois ou mais: indique outro, que luneta evaluate --json escreve; "
        "luneta leaderboard {folder} mostra todos os de uma pasta"
    ),
    "{folder} holds no result that can be read; luneta evaluate --json writes them{which}": (
        "{folder} não tem resultado que possa ser lido; luneta evaluate --json os escreve{which}"
    ),
    "{folder} holds no result that can be read; luneta evaluate --json writes them": (
        "{folder} não tem resultado que possa ser lido; luneta evaluate --json os escreve"
    ),
    "damaged or cut short: {why}": "danificado ou truncado: {why}",
    "cannot be read: {why}": "não pode ser lido: {why}",
    "{path} has schema {schema}; expected {expected}: evaluate again to compare with it": (
        "{path} tem o esquema {schema}; esperava-se {expected}: avalie de novo para comparar"
    ),
    "{path} was edited or damaged since it was written (its seal does not fit)": (
        "{path} foi editado ou danificado depois de escrito (o selo não confere)"
    ),
    "{queries} is missing: it belongs to {path} and must be moved together with it": (
        "falta {queries}: pertence a {path} e tem de ser movido junto com ele"
    ),
    "{queries} is not the file that was written with {path}": "{queries} não é o arquivo escrito com {path}",
    "{path} is not a whole result: {why}": "{path} não é um resultado inteiro: {why}",
    "{data} is not the data set of these results: {n_images} images and {n_texts} texts of other content than the "
    "{n_own_images} and {n_own_texts} evaluated. Give the same --text, --split and --language": (
        "{data} não é o conjunto de dados destes resultados: {n_images} imagens e {n_texts} textos de outro conteúdo "
        "que as {n_own_images} e os {n_own_texts} avaliados. Indique os mesmos --text, --split e --language"
    ),
    "the evaluation is of {n_images} images and {n_texts} texts of {data}, not of {test} ({n_own_images} and "
    "{n_own_texts}); open the test set as it was evaluated, with the same split, columns, limit and seed": (
        "a avaliação é de {n_images} imagens e {n_texts} textos de {data}, e não de {test} ({n_own_images} e "
        "{n_own_texts}); abra o conjunto de teste como foi avaliado, com a mesma divisão, colunas, limite e semente"
    ),
    "give --encoder or --result, not both": "indique --encoder ou --result, não os dois",
    "--vectors compares pictures by the vectors of an encoder; name one with --encoder": (
        "--vectors compara imagens pelos vetores de um codificador; indique um com --encoder"
    ),
    "{path}: no table was found. It should have a line of column names (model, dataset, recall@1, ...) and lines of "
    "numbers, as CSV, Markdown, HTML or LaTeX": (
        "{path}: nenhuma tabela encontrada. Deveria ter uma linha com nomes de colunas (model, dataset, recall@1, "
        "...) e linhas de números, em CSV, Markdown, HTML ou LaTeX"
    ),
    "{path}: no column {column}. {hint}": "{path}: não há a coluna {column}. {hint}",
    "{path}: no column of a retrieval metric (recall@1, R@5, MRR, nDCG@10, ...) among: {names}": (
        "{path}: nenhuma coluna de métrica de busca (recall@1, R@5, MRR, nDCG@10, ...) entre: {names}"
    ),
    "{path} is not text: audit reads CSV, Markdown, HTML and LaTeX tables": (
        "{path} não é texto: audit lê tabelas em CSV, Markdown, HTML e LaTeX"
    ),
    "there is no ledger at {path}: no training has been started from this folder. Go to the folder from which it was, "
    "or name its file with LUNETA_LEDGER; set before the first run, that counts everything, wherever it runs": (
        "não há livro-caixa em {path}: nenhum treino foi iniciado nesta pasta. Vá para a pasta em que foi, ou indique "
        "o arquivo com LUNETA_LEDGER; definida antes da primeira execução, essa variável conta tudo, onde quer que rode"
    ),
}

_TRAINING = {
    "name a folder for the result with --out, or ask what it would take with --dry-run": (
        "indique uma pasta para o resultado com --out, ou pergunte quanto levaria com --dry-run"
    ),
    "{encoder} cannot be fine-tuned: only checkpoints of transformers can": (
        "{encoder} não pode ser ajustado: só checkpoints de transformers podem"
    ),
    "{out} holds a finished training of other data, another encoder or another recipe ({what}); choose another folder, "
    "or remove it": (
        "{out} já tem um treino terminado de outros dados, outro codificador ou outra receita ({what}); escolha outra "
        "pasta, ou apague essa"
    ),
    "{path} lacks {what}: it was written by a version that kept less. Choose another folder, or remove this one to "
    "train anew": (
        "em {path} falta {what}: foi escrito por uma versão que guardava menos. Escolha outra pasta, ou apague essa "
        "para treinar de novo"
    ),
    "{model} holds other weights than those that {path} tells of: they were exchanged or damaged. Choose another "
    "folder, or remove this one to train anew": (
        "{model} tem outros pesos, não os que {path} descreve: foram trocados ou danificados. Escolha outra pasta, ou "
        "apague essa para treinar de novo"
    ),
    "{out} holds a finished training by {name}, which may have been edited since; choose another folder, or remove "
    "it": (
        "{out} já tem um treino terminado por {name}, que pode ter sido editado depois; escolha outra pasta, ou apague "
        "essa"
    ),
    "another process has ended this training in {out} just now: ask for it again": (
        "outro processo terminou agora mesmo este treino em {out}: peça de novo"
    ),
    "{out} is not empty and no training of ours; choose a folder that does not exist yet": (
        "{out} não está vazia nem é um treino nosso; escolha uma pasta que ainda não exista"
    ),
    "{out} holds a training of other data, another encoder or another recipe ({what}); choose another folder, or "
    "remove it": (
        "{out} tem um treino de outros dados, outro codificador ou outra receita ({what}); escolha outra pasta, ou "
        "apague essa"
    ),
    "another process is training into {out}: wait until it ends, or choose another folder": (
        "outro processo está treinando em {out}: espere que termine, ou escolha outra pasta"
    ),
    "{path} is not an embedding store, and not empty: it has no {manifest} but holds {name}. Name an empty or a new "
    "folder.": (
        "{path} não é um depósito de vetores, e não está vazia: não tem {manifest}, mas contém {name}. Indique uma "
        "pasta vazia ou nova."
    ),
    "unknown {name} {value}. {hint}": "{name} desconhecido: {value}. {hint}",
    "unknown variant {name}. {hint}": "variante desconhecida: {name}. {hint}",
    "{name} is {value}, expected more than {low} and at most {high}": (
        "{name} é {value}; esperava-se mais que {low} e no máximo {high}"
    ),
    "{name} is {value}, expected at least {low} and at most {high}": (
        "{name} é {value}; esperava-se pelo menos {low} e no máximo {high}"
    ),
    "{name} is {value}, expected {low} to {high}": "{name} é {value}; esperava-se de {low} a {high}",
    "nothing is left of {data} to learn from: the validation and test parts hold all of it": (
        "nada resta de {data} para treinar: as partes de validação e de teste têm tudo"
    ),
    "{data} has {n_images} image: there is nothing to tell apart": (
        "{data} tem {n_images} imagem: não há o que distinguir"
    ),
    "{to} is no repository of the hub; expected owner/name": "{to} não é um repositório do hub; esperava-se dono/nome",
    "the hub cannot be reached ({why}); try again, nothing is lost": (
        "o hub não pode ser alcançado ({why}); tente de novo, nada se perdeu"
    ),
}

ERRORS = _USE | _FILES | _DATA | _ENCODERS | _RESULTS | _TRAINING

PARTS = _HINTS | _SYSTEM
