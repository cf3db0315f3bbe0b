"""What the advice says, in English and in Brazilian Portuguese.

Numbers of the evidence stand in braces; `{aside}` is what of `ASIDES` the evidence has, `:share` writes a percentage
and `:p` a p-value with its sign.
"""

from __future__ import annotations

from collections.abc import Mapping

DOUBTS: Mapping[str, Mapping[str, str]] = {
    "threshold": {
        "en": "The interval crosses a threshold of this rule: more queries could change the verdict.",
        "pt-BR": "O intervalo cruza um limiar desta regra: com mais consultas o veredito poderia mudar.",
    },
    "no-interval": {
        "en": "There is no interval, so how firm the verdict is cannot be said.",
        "pt-BR": "Não há intervalo, e por isso não se pode dizer quão firme é o veredito.",
    },
    "guessing": {
        "en": "This cannot be told from guessing, which gives {chance:share}.",
        "pt-BR": "Isso não se distingue do acaso, que dá {chance:share}.",
    },
}
"""Why more data could overturn a verdict."""

ASIDES: Mapping[str, Mapping[str, str]] = {
    "low": {
        "en": "95 % interval {low:share} to {high:share}",
        "pt-BR": "intervalo de 95 %: {low:share} a {high:share}",
    },
    "n_images": {"en": "among {n_images:,} images", "pt-BR": "entre {n_images:,} imagens"},
    "chance": {"en": "a guess: {chance:share}", "pt-BR": "ao acaso: {chance:share}"},
}
"""What stands in brackets behind a score, as far as the evidence has it."""

_SCORE_EN = "{encoder} finds the right image first for {recall_at_1:share} of the texts ({aside})"
_SCORE_PT = "{encoder} encontra a imagem certa em primeiro lugar para {recall_at_1:share} dos textos ({aside})"


def _both(en: tuple[str, str], pt: tuple[str, str]) -> Mapping[str, tuple[str, str]]:
    return {"en": en, "pt-BR": pt}


MESSAGES: Mapping[tuple[str, str], Mapping[str, tuple[str, str]]] = {
    ("thesis/diversity", "classification"): _both(
        (
            "This looks like classification",
            "Only {n_unique_texts:,} different texts in {n_rows:,} rows: they act as class labels. "
            "Train a classifier as well, and compare.",
        ),
        (
            "Isto parece classificação",
            "São apenas {n_unique_texts:,} textos diferentes em {n_rows:,} linhas: funcionam como rótulos de classe. "
            "Treine também um classificador e compare.",
        ),
    ),
    ("thesis/diversity", "retrieval"): _both(
        (
            "Diverse enough for retrieval",
            "{n_unique_texts:,} different texts in {n_rows:,} rows: the texts describe, they do not merely label.",
        ),
        (
            "Diversidade suficiente para busca",
            "São {n_unique_texts:,} textos diferentes em {n_rows:,} linhas: os textos descrevem, não apenas rotulam.",
        ),
    ),
    ("thesis/level", "very-low"): _both(
        ("Very low", _SCORE_EN + ": very low."), ("Muito baixo", _SCORE_PT + ": muito baixo.")
    ),
    ("thesis/level", "low"): _both(("Low", _SCORE_EN + ": low."), ("Baixo", _SCORE_PT + ": baixo.")),
    ("thesis/level", "moderate"): _both(
        ("Moderate", _SCORE_EN + ": moderate."), ("Moderado", _SCORE_PT + ": moderado.")
    ),
    ("thesis/level", "high"): _both(("High", _SCORE_EN + ": high."), ("Alto", _SCORE_PT + ": alto.")),
    ("luneta/guessing", "unknown"): _both(
        (
            "Cannot be told from guessing",
            _SCORE_EN + ". So there is no level to name, and nothing to build on yet. Examine the encoder and the "
            "pairs (luneta doctor --data), try an encoder that knows this language and this kind of picture "
            "(luneta encoders), and measure on more pairs. If it stays like this, fine-tune.",
        ),
        (
            "Não se distingue do acaso",
            _SCORE_PT + ". Por isso não há nível a nomear, nem ainda sobre o que construir. Examine o codificador e "
            "os pares (luneta doctor --data), tente um codificador que conheça este idioma e este tipo de imagem "
            "(luneta encoders) e meça com mais pares. Se continuar assim, faça o ajuste fino.",
        ),
    ),
    ("luneta/guessing", "alike"): _both(
        (
            "Cannot be told from guessing",
            _SCORE_EN + ", and whoever guesses would do as well: these pairs are too few or too alike to tell an "
            "encoder that knows something from one that does not. Measure on more, and more different, pairs.",
        ),
        (
            "Não se distingue do acaso",
            _SCORE_PT + ", e quem chuta faria o mesmo: estes pares são poucos ou parecidos demais para distinguir um "
            "codificador que sabe algo de um que não sabe. Meça com pares mais numerosos e mais diferentes.",
        ),
    ),
    ("luneta/families", "unsure"): _both(
        (
            "CLIP and SigLIP cannot be told apart here",
            "Mean recall@1 {clip:.3f} (CLIP) and {siglip:.3f} (SigLIP): query by query, a difference of "
            "{difference:.3f} could be chance (p {p:p}).",
        ),
        (
            "CLIP e SigLIP não se distinguem aqui",
            "Recall@1 médio de {clip:.3f} (CLIP) e {siglip:.3f} (SigLIP): consulta por consulta, a diferença de "
            "{difference:.3f} pode ser acaso (p {p:p}).",
        ),
    ),
    ("luneta/families", "clip"): _both(
        (
            "CLIP is ahead here",
            "Mean recall@1 {clip:.3f} (CLIP) against {siglip:.3f} (SigLIP): {difference:.3f} ahead, query by query, "
            "and surely (p {p:p}).",
        ),
        (
            "CLIP está à frente aqui",
            "Recall@1 médio de {clip:.3f} (CLIP) contra {siglip:.3f} (SigLIP): {difference:.3f} à frente, consulta por "
            "consulta, e com certeza (p {p:p}).",
        ),
    ),
    ("luneta/families", "siglip"): _both(
        (
            "SigLIP is ahead here",
            "Mean recall@1 {siglip:.3f} (SigLIP) against {clip:.3f} (CLIP): {difference:.3f} ahead, query by query, "
            "and surely (p {p:p}).",
        ),
        (
            "SigLIP está à frente aqui",
            "Recall@1 médio de {siglip:.3f} (SigLIP) contra {clip:.3f} (CLIP): {difference:.3f} à frente, consulta por "
            "consulta, e com certeza (p {p:p}).",
        ),
    ),
    ("luneta/families", "clip-one-way"): _both(
        (
            "CLIP is ahead here from text to image alone",
            "Mean recall@1 {clip:.3f} (CLIP) against {siglip:.3f} (SigLIP): {difference:.3f} ahead from text to "
            "image, query by query (p {p:p}); from image to text it is not surely ahead (p {p_back:p}).",
        ),
        (
            "CLIP só está à frente aqui de texto para imagem",
            "Recall@1 médio de {clip:.3f} (CLIP) contra {siglip:.3f} (SigLIP): {difference:.3f} à frente de texto "
            "para imagem, consulta por consulta (p {p:p}); de imagem para texto não está à frente com certeza "
            "(p {p_back:p}).",
        ),
    ),
    ("luneta/families", "siglip-one-way"): _both(
        (
            "SigLIP is ahead here from text to image alone",
            "Mean recall@1 {siglip:.3f} (SigLIP) against {clip:.3f} (CLIP): {difference:.3f} ahead from text to "
            "image, query by query (p {p:p}); from image to text it is not surely ahead (p {p_back:p}).",
        ),
        (
            "SigLIP só está à frente aqui de texto para imagem",
            "Recall@1 médio de {siglip:.3f} (SigLIP) contra {clip:.3f} (CLIP): {difference:.3f} à frente de texto "
            "para imagem, consulta por consulta (p {p:p}); de imagem para texto não está à frente com certeza "
            "(p {p_back:p}).",
        ),
    ),
    ("thesis/families", "alike"): _both(
        (
            "CLIP and SigLIP are alike here",
            "Mean recall@1 {clip:.3f} (CLIP) and {siglip:.3f} (SigLIP): apart by {difference:.3f}, within 0.02.",
        ),
        (
            "CLIP e SigLIP se equivalem aqui",
            "Recall@1 médio de {clip:.3f} (CLIP) e {siglip:.3f} (SigLIP): a diferença, {difference:.3f}, "
            "não passa de 0,02.",
        ),
    ),
    ("thesis/families", "clip"): _both(
        (
            "CLIP is ahead here",
            "Mean recall@1 {clip:.3f} (CLIP) against {siglip:.3f} (SigLIP): {difference:.3f} ahead.",
        ),
        (
            "CLIP está à frente aqui",
            "Recall@1 médio de {clip:.3f} (CLIP) contra {siglip:.3f} (SigLIP): {difference:.3f} à frente.",
        ),
    ),
    ("thesis/families", "siglip"): _both(
        (
            "SigLIP is ahead here",
            "Mean recall@1 {siglip:.3f} (SigLIP) against {clip:.3f} (CLIP): {difference:.3f} ahead.",
        ),
        (
            "SigLIP está à frente aqui",
            "Recall@1 médio de {siglip:.3f} (SigLIP) contra {clip:.3f} (CLIP): {difference:.3f} à frente.",
        ),
    ),
    ("thesis/next-step", "collect"): _both(
        (
            "Collect data first",
            "Recall@1 of {recall_at_1:.3f} is below 0.15, and {n_rows:,} rows are too few to fine-tune on: "
            "reach 300 first.",
        ),
        (
            "Primeiro, reúna dados",
            "O recall@1 de {recall_at_1:.3f} está abaixo de 0,15, e {n_rows:,} linhas são poucas para ajuste fino: "
            "chegue primeiro a 300.",
        ),
    ),
    ("thesis/next-step", "fine-tune"): _both(
        (
            "Fine-tune now",
            "Recall@1 of {recall_at_1:.3f} is below 0.15, and {n_rows:,} rows are enough to fine-tune on.",
        ),
        (
            "Faça o ajuste fino agora",
            "O recall@1 de {recall_at_1:.3f} está abaixo de 0,15, e {n_rows:,} linhas bastam para o ajuste fino.",
        ),
    ),
    ("thesis/next-step", "pre-train"): _both(
        (
            "Continue the pre-training",
            "Recall@1 of {recall_at_1:.3f} is below 0.15 with {n_rows:,} rows: additional pre-training, with careful "
            "sampling and a curriculum.",
        ),
        (
            "Continue o pré-treinamento",
            "O recall@1 de {recall_at_1:.3f} está abaixo de 0,15 com {n_rows:,} linhas: pré-treinamento adicional, com "
            "amostragem cuidadosa e currículo.",
        ),
    ),
    ("thesis/next-step", "fine-tuning-helps"): _both(
        ("Fine-tuning should clearly help", "Recall@1 of {recall_at_1:.3f} lies between 0.15 and 0.35."),
        ("O ajuste fino deve ajudar claramente", "O recall@1 de {recall_at_1:.3f} está entre 0,15 e 0,35."),
    ),
    ("thesis/next-step", "use"): _both(
        ("Use it", "Recall@1 of {recall_at_1:.3f} is at least 0.35: usable as it is; fine-tuning refines."),
        ("Pode usar", "O recall@1 de {recall_at_1:.3f} é de pelo menos 0,35: já é utilizável; o ajuste fino refina."),
    ),
}
"""(rule, verdict) -> language -> (title, text)."""
