"""Errors of re-ranking and of its benchmarks: English -> Portuguese."""

from __future__ import annotations

_OPTIONS = {
    "--weight and --counts are of a cross-encoder, and there is none: name it with --model, or leave them out": (
        "--weight e --counts são de um cross-encoder, e não há nenhum: indique-o com --model, ou deixe-os de fora"
    ),
    "--hard, --random and --drawn-by say nothing with --batches global, where texts share their pictures: leave them "
    "out, or take --batches lists": (
        "--hard, --random e --drawn-by nada dizem com --batches global, em que os textos partilham as imagens: "
        "deixe-os de fora, ou use --batches lists"
    ),
    "keep_prompts shows the prompts to the pooling head whatever the gates let through, so that a training would not "
    "begin at the encoder's own scores: take gated=False with it": (
        "keep_prompts mostra os prompts à cabeça de pooling, seja o que for que as portas deixem passar, e assim um "
        "treino não começaria nas pontuações do próprio codificador: use gated=False com ele"
    ),
    "--gate-rate says nothing without a gate: leave it out, or take --gated": (
        "--gate-rate nada diz sem porta: deixe-o de fora, ou use --gated"
    ),
    "{option} is {listed}, expected whole numbers separated by commas, as 64,128": (
        "{option} é {listed}; esperavam-se números inteiros separados por vírgulas, como 64,128"
    ),
    "{size} is no size of a disk; expected one such as 250GB or 1TB": (
        "{size} não é o tamanho de um disco; esperava-se um como 250GB ou 1TB"
    ),
    "{least} are written at least (vectors and checkpoints), and {budget} are there: give more, learn from fewer "
    "pictures, or take a smaller guide": (
        "são gravados pelo menos {least} (vetores e checkpoints), e há {budget}: dê mais, treine com menos imagens, ou "
        "use um guia menor"
    ),
    "weight is {value}, expected how much matching counts: 0 or more, 1 for as it is": (
        "weight é {value}; esperava-se quanto conta o casamento: 0 ou mais, 1 para como é"
    ),
    "{name} is {value}, expected widths of at least 1": "{name} é {value}; esperavam-se larguras de pelo menos 1",
    "{name} is {value}, expected the widths of one layer or more, such as {widths}": (
        "{name} é {value}; esperavam-se as larguras de uma camada ou mais, como {widths}"
    ),
    "hard and random are both 0: a list of the right picture alone teaches nothing": (
        "--hard e --random são ambos 0: uma lista só com a imagem certa nada ensina"
    ),
    "queries is 1: a list of the right picture alone teaches nothing; take 2 or more": (
        "--queries é 1: uma lista só com a imagem certa nada ensina; use 2 ou mais"
    ),
}

_FOLDERS = {
    "{folder} was made for {name}, an object of your own: give it (--encoder {name_again})": (
        "{folder} foi feito para {name}, um objeto seu: indique-o (--encoder {name_again})"
    ),
    "{folder} scores with {name}, an object of your own: give it as cross_encoder (--model package.module:Object)": (
        "{folder} pontua com {name}, um objeto seu: indique-o com --model pacote.modulo:Objeto"
    ),
    "{folder} is no re-ranker, but its folder {inside} is one: give that": (
        "{folder} não é um reordenador, mas a sua pasta {inside} é: indique essa"
    ),
    "{folder} scores with its encoder alone, and {name} was given": (
        "{folder} pontua só com o seu codificador, e foi indicado {name}"
    ),
    "{folder} was made for {name} (fingerprint {head}), not for {other} ({other_head}): what it has learnt and chosen "
    "would mean nothing there; load that one, or make a re-ranker for this one": (
        "{folder} foi feito para {name} (impressão digital {head}), e não para {other} ({other_head}): o que aprendeu "
        "e escolheu nada significaria ali; carregue aquele, ou faça um reordenador para este"
    ),
    "{folder} is a re-ranker of the kind {kind}. {hint}": "{folder} é um reordenador do tipo {kind}. {hint}",
    "{folder} has schema {schema}; expected {expected}, a folder that Reranker.save wrote": (
        "{folder} tem o esquema {schema}; esperava-se {expected}, uma pasta que Reranker.save escreveu"
    ),
    "{name} takes no visual prompts; checkpoints of transformers whose pictures are tokens do": (
        "{name} não aceita prompts visuais; checkpoints de transformers cujas imagens são tokens aceitam"
    ),
    "{option} cannot be given for {name}, an object of your own; decide it inside the object": (
        "{option} não pode ser dado para {name}, um objeto seu; decida-o dentro do objeto"
    ),
}

_BENCHMARKS = {
    "{name}: no query has a right picture; look at the folder that it is made of": (
        "{name}: nenhuma consulta tem imagem certa; veja a pasta de que é feito"
    ),
    "{name}: no query has a right picture that can be had": (
        "{name}: nenhuma consulta tem uma imagem certa que se possa ler"
    ),
    "{name} holds judged queries: there is no {columns} to choose": (
        "{name} tem consultas julgadas: não há {columns} a escolher"
    ),
    "{path} holds none of the pictures that are asked for: it is of another part of COCO": (
        "{path} não tem nenhuma das imagens pedidas: é de outra parte do COCO"
    ),
    "{path} is no COCO file of instances: expected lists of {names}": (
        "{path} não é um arquivo de instâncias do COCO: esperavam-se listas de {names}"
    ),
    "{path} holds annotations without masks; take instances_*.json, not captions_*.json": (
        "{path} tem anotações sem máscaras; use instances_*.json, e não captions_*.json"
    ),
    "{path} is no Karpathy split of COCO: expected images with split and cocoid": (
        "{path} não é uma divisão de Karpathy do COCO: esperavam-se imagens com split e cocoid"
    ),
    "{path} is not the file of judgements that the authors of ELIP publish: expected cat_id_2_occ_img and "
    "cat_id_2_negative_img": (
        "{path} não é o arquivo de julgamentos que os autores do ELIP publicam: esperavam-se cat_id_2_occ_img e "
        "cat_id_2_negative_img"
    ),
    "pictures such as {name} are not found under {root} or the folders around it; name their folder": (
        "imagens como {name} não foram achadas em {root} nem nas pastas ao redor; indique a pasta com --images"
    ),
    "pictures such as {name} are not found under {root}; name their folder": (
        "imagens como {name} não foram achadas em {root}; indique a pasta delas"
    ),
    "no folder {root}; expected imagenet-r as it is unpacked": (
        "não há a pasta {root}; esperava-se imagenet-r como vem descompactado"
    ),
    "{root} holds no folders of classes such as n01443537; expected imagenet-r as it is unpacked": (
        "{root} não tem pastas de classes como n01443537; esperava-se imagenet-r como vem descompactado"
    ),
    "{n_missing} classes have no name, such as {name}; give a file of names": (
        "{n_missing} classes não têm nome, como {name}; indique um arquivo de nomes com --names"
    ),
    "{path}, the names of the classes, cannot be read: {why}": "{path}, os nomes das classes, não pode ser lido: {why}",
    "--hidden says nothing with --judgements, which tell what is occluded: give one of them": (
        "--hidden nada diz com --judgements, que dizem o que está oculto: indique um dos dois"
    ),
    "--model is for elip-b, and {variant} has no cross-encoder: leave it out": (
        "--model é para elip-b, e {variant} não tem cross-encoder: deixe-o de fora"
    ),
    "{variant} has no published numbers. {hint}": "{variant} não tem números publicados. {hint}",
    "{model} takes no visual prompts: elip-b needs a BLIP-2 checkpoint": (
        "{model} não aceita prompts visuais: elip-b precisa de um checkpoint do BLIP-2"
    ),
    "{encoder} takes no visual prompts: take the backbone of {variant}": (
        "{encoder} não aceita prompts visuais: use o codificador de {variant}"
    ),
    "{path} holds no judged queries; make them with luneta build {benchmark}": (
        "{path} não tem consultas julgadas; faça-as com luneta build {benchmark}"
    ),
    "{data} holds captions; {title} holds judged queries: make it with luneta build {benchmark}": (
        "{data} tem legendas; {title} tem consultas julgadas: faça-o com luneta build {benchmark}"
    ),
    "{data} holds judged queries; {title} holds pictures with captions": (
        "{data} tem consultas julgadas; {title} tem imagens com legendas"
    ),
    "no weights at {path}: expected a checkpoint, or a folder with {pattern}": (
        "não há pesos em {path}: esperava-se um checkpoint, ou uma pasta com {pattern}"
    ),
    "{folder} holds several checkpoints: {names}; name one": "{folder} tem vários checkpoints: {names}; indique um",
    "{path} maps texts of {n_in} numbers to {n_out}; {encoder} has texts of {n_texts} and tokens of {n_tokens}: it was "
    "trained for another encoder": (
        "{path} leva textos de {n_in} números a {n_out}; {encoder} tem textos de {n_texts} e tokens de {n_tokens}: foi "
        "treinado para outro codificador"
    ),
    "{path} cannot be read as a checkpoint of tensors ({why}); fetch it again. Files that hold anything but tensors "
    "are not opened: they may run code": (
        "{path} não pode ser lido como checkpoint de tensores ({why}); busque-o de novo. Arquivos com algo além de "
        "tensores não são abertos: podem executar código"
    ),
    "{path} holds no mapper of ELIP, whose linear layers are called vpt_generator.0 and so on": (
        "{path} não tem o mapeador do ELIP, cujas camadas lineares se chamam vpt_generator.0 e assim por diante"
    ),
}

ERRORS = _OPTIONS | _FOLDERS | _BENCHMARKS
