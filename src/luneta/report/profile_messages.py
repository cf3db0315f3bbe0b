"""What the profile page says, in English and in Brazilian Portuguese."""

from __future__ import annotations

PROFILE: dict[str, tuple[str, str]] = {
    "profile_title": ("Profile of {data}", "Perfil de {data}"),
    "profile_heading": ("What is in the data", "O que há nos dados"),
    "profile_lead": (
        "{images} images and {texts} texts: what they are, what repeats, and what cannot be read.",
        "{images} imagens e {texts} textos: o que são, o que se repete e o que não pode ser lido.",
    ),
    "profile_unique": ("Unique texts", "Textos únicos"),
    "profile_unique_note": ("case, spacing and final dot aside", "sem contar maiúsculas, espaços e ponto final"),
    "profile_per_image": ("Texts per image", "Textos por imagem"),
    "profile_from_to": ("from {low} to {high}", "de {low} a {high}"),
    "profile_unreadable": ("Unreadable images", "Imagens ilegíveis"),
    "profile_looked_at": ("of {n} looked at", "de {n} examinadas"),
    "profile_left_out": ("Left out", "Deixadas de fora"),
    "profile_of_rows": ("of {n} rows", "de {n} linhas"),
    "profile_some_looked_at": (
        "Only {n} of {all} images, drawn at random, were opened; what is said of pictures is said of those.",
        "Só {n} de {all} imagens, sorteadas, foram abertas; o que se diz das imagens vale para essas.",
    ),
    "profile_doubt_unreadable": (
        "Some pictures cannot be decoded. They would be left out together with their captions.",
        "Algumas imagens não podem ser decodificadas. Elas ficariam de fora, junto com suas legendas.",
    ),
    "profile_doubt_duplicates": (
        "Many captions are equal. An evaluation must count equal captions as right for each other's images, or it "
        "punishes right answers.",
        "Muitas legendas são iguais. Uma avaliação deve contar legendas iguais como certas para as imagens umas das "
        "outras; se não, pune respostas certas.",
    ),
    "profile_doubt_identical": (
        "Some pictures are identical in content. Keep copies in one split, or the test has been seen in training.",
        "Algumas imagens têm conteúdo idêntico. Mantenha as cópias numa só divisão; se não, o teste terá sido visto no "
        "treino.",
    ),
    "profile_doubt_language": (
        "The captions do not look like the declared language ({declared}), rather like {guessed}.",
        "As legendas não parecem estar no idioma declarado ({declared}), e sim em {guessed}.",
    ),
    "profile_image_column": ("Image column", "Coluna das imagens"),
    "profile_text_column": ("Text column", "Coluna dos textos"),
    "profile_captions": ("Captions", "Legendas"),
    "profile_pictures": ("Pictures", "Imagens"),
    "profile_spread_caption": ("How they are spread", "Como se distribuem"),
    "profile_min": ("min", "mín."),
    "profile_median": ("median", "mediana"),
    "profile_p95": ("95 % below", "95 % abaixo"),
    "profile_max": ("max", "máx."),
    "profile_words": ("words", "palavras"),
    "profile_characters": ("characters", "caracteres"),
    "profile_width": ("width, px", "largura, px"),
    "profile_height": ("height, px", "altura, px"),
    "profile_kib": ("file size, KiB", "tamanho do arquivo, KiB"),
    "profile_languages": ("Languages, guessed", "Idiomas, por estimativa"),
    "profile_languages_note": (
        "A guess from scripts and very common words, over {n} captions. Short captions often remain undecided; of the "
        "languages in Latin script only en, pt, es, fr, de, it and nl are known.",
        "Estimativa por escrita e palavras muito comuns, em {n} legendas. Legendas curtas muitas vezes ficam "
        "indefinidas; dos idiomas de escrita latina, só en, pt, es, fr, de, it e nl são conhecidos.",
    ),
    "profile_frequent": ("Most frequent captions", "Legendas mais frequentes"),
    "profile_shortest": ("Shortest", "Mais curtas"),
    "profile_longest": ("Longest", "Mais longas"),
    "profile_formats": ("File formats", "Formatos de arquivo"),
    "profile_modes": ("Pixel layouts", "Formatos de pixel"),
    "profile_sizes": ("Frequent sizes", "Tamanhos frequentes"),
    "profile_drawn": ("drawn on demand", "desenhadas na hora"),
    "profile_animated": ("Animated (first frame used)", "Animadas (usa-se o primeiro quadro)"),
    "profile_identical": ("Identical to another", "Idênticas a outra"),
    "profile_examples": ("Examples, drawn at random", "Exemplos sorteados"),
    "profile_alt": ("Picture {label}", "Imagem {label}"),
    "profile_alt_captioned": ("Picture captioned: {caption}", "Imagem com a legenda: {caption}"),
    "profile_no_picture": ("No picture could be read.", "Nenhuma imagem pôde ser lida."),
    "profile_problems": ("Rows left out", "Linhas deixadas de fora"),
    "profile_rows": ("Which rows", "Quais linhas"),
}
