"""What the doctor says of its checks, in Brazilian Portuguese; `measured.py` has what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from luneta.doctor.explanations import EXPLANATIONS, Explanation


@dataclass(frozen=True, slots=True)
class Said:
    """A check in the words of one language.

    Attributes:
        name: what was looked at.
        why: what goes wrong where this is wrong.
        mend: what to do about it.
    """

    name: str
    why: str
    mend: str


def in_words(check: str, locale: str) -> Said:
    """What is said of a check, by its name.

    >>> in_words("order", "pt-BR").name
    'ordem'
    """
    if locale == "pt-BR":
        return PORTUGUESE[check]
    explanation: Explanation = EXPLANATIONS[check]
    return Said(check, explanation.why, explanation.mend)


PORTUGUESE: Mapping[str, Said] = MappingProxyType(
    {
        "vectors": Said(
            "vetores",
            "Tudo o que vem depois espera uma linha float32 por item, na ordem dada.",
            "Devolva um array NumPy de float32 com spec.embedding_dim colunas e uma linha por item.",
        ),
        "finite numbers": Said(
            "números finitos",
            "Um só NaN torna falsa toda comparação com o seu vetor: o item nunca é achado, ou sempre.",
            "Baixe os pesos de novo; se estiverem sãos, calcule em float32 ou bfloat16 em vez de float16.",
        ),
        "unit length": Said(
            "comprimento unitário",
            "As pontuações são cossenos. Entre vetores de outros comprimentos, os longos vencem, mostrem o que "
            "mostrarem.",
            "Divida cada vetor pelo seu comprimento, em float32.",
        ),
        "distinct vectors": Said(
            "vetores distintos",
            "Quando todas as entradas recebem um só vetor, a torre lê o token errado, ou nada; a busca fica ao acaso.",
            "Veja onde se lê o vetor do texto (eos_token_id em config.json), e os pesos.",
        ),
        "text padding": Said(
            "preenchimento dos textos",
            "O SigLIP lê o vetor de um texto na última posição, preenchimento incluído: preenchido até o mais longo do "
            "lote, o mesmo texto recebe outro vetor em outro lote, e muito menos imagens são achadas.",
            'No SigLIP, preencha cada texto até o contexto inteiro: padding="max_length". Nos outros, mascare o '
            "preenchimento.",
        ),
        "maximum length": Said(
            "comprimento máximo",
            "Além do comprimento do treino as posições são ruído; aquém dele as legendas perdem palavras. Um texto "
            "cortado deve manter o token final, onde o CLIP lê o vetor.",
            "Ponha em model_max_length, de tokenizer_config.json, o comprimento do treino, e corte com o tokenizador.",
        ),
        "lower-casing": Said(
            "minúsculas",
            "Um modelo treinado com textos em minúsculas parte as maiúsculas em tokens que viu pouco ou nunca.",
            "Passe os textos a minúsculas antes do tokenizador, ou use o tokenizador do próprio checkpoint.",
        ),
        "attention mask": Said(
            "máscara de atenção",
            "O SigLIP foi treinado sem máscara: com uma, a última posição vê menos do que aprendeu. O BERT e os seus "
            "parentes foram treinados com uma: sem ela, leem o preenchimento.",
            "Passe attention_mask à torre de texto se, e só se, a família foi treinada com uma.",
        ),
        "pooling": Said(
            "leitura do vetor",
            "Um só token do texto foi treinado para carregar o seu sentido: o final (CLIP), a última posição "
            "(SigLIP), o primeiro (BERT). Qualquer outro dá um vetor que parece são e busca mal.",
            "Leia o vetor do texto com o get_text_features do próprio modelo, e confira eos_token_id em config.json.",
        ),
        "resize": Said(
            "redimensionamento",
            "Um modelo treinado com recortes centrais vê distorcidas as imagens achatadas; um treinado com imagens "
            "achatadas, se recebe recortes, perde o que está nas bordas.",
            "Copie size, crop_size e do_center_crop do preprocessor_config.json do checkpoint publicado.",
        ),
        "interpolation": Said(
            "interpolação",
            "Outro filtro dá outras bordas e texturas: sobretudo o do vizinho mais próximo, que descarta linhas "
            "inteiras.",
            "Copie resample do preprocessor_config.json do checkpoint publicado (2 é bilinear, 3 é bicúbico).",
        ),
        "mean and deviation": Said(
            "média e desvio",
            "Os pixels devem ter o brilho e o contraste do treino: CLIP e SigLIP são normalizados de modos diferentes.",
            "Copie image_mean, image_std e rescale_factor do preprocessor_config.json do checkpoint publicado.",
        ),
        "weights": Said(
            "pesos",
            "Uma camada que não carregou, ou foi iniciada de novo, calcula sem reclamar e não significa nada.",
            "Carregue o checkpoint de novo e veja o que não coube; salve e publique todos os seus tensores.",
        ),
        "logit scale and bias": Said(
            "escala e viés dos logits",
            "Eles transformam cossenos em probabilidades: um modelo sigmoide sem o seu viés diz que todo par combina.",
            "Mantenha logit_scale, e logit_bias de um SigLIP, ao converter; informe-os na spec do codificador.",
        ),
        "number format": Said(
            "formato dos números",
            "O bfloat16 tem três dígitos: cossenos perto de 0,3 vêm em passos de 0,002, e assim itens empatam e "
            "posições mudam.",
            "Mantenha normas, leitura e vetores em float32 e só os produtos de matrizes em bfloat16 (é o que faz "
            "dtype='auto'), ou calcule em float32.",
        ),
        "batch invariance": Said(
            "independência do lote",
            "Se um vetor depende do que mais está no lote, índice e consulta nunca concordam, e nenhum número se mede "
            "duas vezes.",
            "Procure batch norm em modo de treino, normalização sobre o lote e preenchimento sem máscara.",
        ),
        "order": Said(
            "ordem",
            "Linhas em outra ordem que a das entradas casam cada imagem com a legenda de outra.",
            "Onde as entradas são ordenadas por comprimento ou calculadas em paralelo, devolva os vetores aos seus "
            "lugares.",
        ),
        "determinism": Said(
            "determinismo",
            "Vetores que mudam de chamada para chamada vêm de dropout ou outro ruído: as pontuações são mais baixas e "
            "nunca as mesmas duas vezes.",
            "Chame model.eval() antes de codificar, e deixe de fora variações sorteadas das imagens.",
        ),
        "one image path": Said(
            "um só caminho das imagens",
            "A indexação prepara as imagens em threads, e uma consulta numa só chamada: dois caminhos dão dois tipos "
            "de vetores.",
            "Faça com que encode_images(images) seja encode_prepared([prepare_image(image) for image in images]).",
        ),
        "languages": Said(
            "idiomas",
            "Um checkpoint lê os idiomas em que foi treinado, seja o que for que o nome da família sugira.",
            "Escolha um checkpoint cujo registro cite o idioma (luneta encoders lista alguns), ou faça ajuste fino.",
        ),
        "tokenizer": Said(
            "tokenizador",
            "Palavras que se desfazem em letras, bytes ou tokens desconhecidos levam pouco sentido ao modelo.",
            "Escolha um checkpoint cujo tokenizador foi treinado neste idioma, ou traduza as legendas.",
        ),
        "truncated captions": Said(
            "legendas cortadas",
            "O que vem depois do último token que cabe nunca é lido: tais legendas se parecem umas com as outras.",
            "Encurte as legendas ou divida-as em várias, com as palavras que mais dizem em primeiro lugar.",
        ),
        "positives above shuffled": Said(
            "pares certos acima dos embaralhados",
            "Uma imagem deve estar mais perto da sua própria legenda do que das de outras. Se não está, uma torre tem "
            "outros pesos, os pares estão deslocados, ou o modelo não conhece este tipo de dados.",
            "Veja primeiro os outros exames; depois abra alguns pares e confira se combinam.",
        ),
    }
)
"""Of every check."""
