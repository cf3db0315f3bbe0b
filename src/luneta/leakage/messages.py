"""What the page and the terminal say of leakage, in English and in Brazilian Portuguese."""

from __future__ import annotations

from luneta.wording import Messages

LEAKAGE: Messages = {
    "leakage_title": ("What of {test} was seen in training", "O que de {test} foi visto no treino"),
    "leakage_heading": ("Seen in training", "Visto no treino"),
    "leakage_lead_none": (
        "Nothing of the test set was found in the training set.",
        "Nada do conjunto de teste foi encontrado no conjunto de treino.",
    ),
    "leakage_lead": (
        "{images} of {all_images} test images ({share}) and {texts} of {all_texts} test captions were seen in "
        "training.",
        "{images} de {all_images} imagens de teste ({share}) e {texts} de {all_texts} legendas de teste foram vistas "
        "no treino.",
    ),
    "leakage_sizes": ("{name}: {images} images, {texts} texts", "{name}: {images} imagens, {texts} textos"),
    "leakage_in_share": ("{n} ({share} %)", "{n} ({share} %)"),
    "leakage_such_as": ("Test image, such as", "Imagem de teste, como"),
    "leakage_seen_as": ("Seen in training as", "Vista no treino como"),
    "leakage_with_image": (
        "Recall with and without queries whose image was seen",
        "Recall com e sem as consultas cuja imagem foi vista",
    ),
    "leakage_with_any": (
        "Recall with and without queries whose image or caption was seen",
        "Recall com e sem as consultas cuja imagem ou legenda foi vista",
    ),
    "leakage_images": ("Test images seen", "Imagens de teste vistas"),
    "leakage_texts": ("Test captions seen", "Legendas de teste vistas"),
    "leakage_unreadable": ("Unreadable images", "Imagens ilegíveis"),
    "leakage_unreadable_note": ("compared by their files only", "comparadas só pelos arquivos"),
    "leakage_of": ("{share} of {n}", "{share} de {n}"),
    "leakage_of_all": ("of {n}", "de {n}"),
    "leakage_train": ("Training set", "Conjunto de treino"),
    "leakage_test": ("Test set", "Conjunto de teste"),
    "leakage_by": ("By what", "Por quê"),
    "leakage_kind_file": ("identical files", "arquivos idênticos"),
    "leakage_kind_pixels": ("identical pixels", "pixels idênticos"),
    "leakage_kind_near_image": ("near-identical images", "imagens quase idênticas"),
    "leakage_kind_mirrored_image": ("mirror images", "imagens espelhadas"),
    "leakage_kind_vectors": ("images with near vectors", "imagens com vetores próximos"),
    "leakage_kind_item": ("equal item ids", "mesmo identificador de item"),
    "leakage_kind_caption": ("equal captions", "legendas iguais"),
    "leakage_kind_near_caption": (
        "captions equal but for punctuation or accents",
        "legendas iguais exceto por pontuação ou acentos",
    ),
    "leakage_pairs": ("Images seen, such as", "Imagens vistas, como"),
    "leakage_in_test": ("test", "teste"),
    "leakage_in_train": ("training", "treino"),
    "leakage_no_picture": ("{label}: cannot be read", "{label}: não pode ser lida"),
    "leakage_distance": ("distance {distance}", "distância {distance}"),
    "leakage_captions": ("Captions seen, such as", "Legendas vistas, como"),
    "leakage_inflation": ("How much the score owes to it", "Quanto a nota deve a isso"),
    "leakage_inflation_note": (
        "The gallery stays whole; only queries are left out. Leaked queries may be easier or harder for other reasons "
        "too: a difference shows what the reported number would have been without them, not what caused it. Below each "
        "value its 95 % interval.",
        "A galeria fica inteira; só consultas são retiradas. As consultas vazadas podem ser mais fáceis ou mais "
        "difíceis também por outros motivos: a diferença mostra qual seria o número relatado sem elas, não a causa. "
        "Sob cada valor, o seu intervalo de 95 %.",
    ),
    "leakage_seen_image": ("whose image was seen", "cuja imagem foi vista"),
    "leakage_seen_any": ("whose image or caption was seen", "cuja imagem ou legenda foi vista"),
    "leakage_queries": ("Leaked queries", "Consultas vazadas"),
    "leakage_reported": ("Reported", "Relatado"),
    "leakage_clean": ("Without them", "Sem elas"),
    "leakage_alone": ("They alone", "Só elas"),
    "leakage_gap": ("Inflation", "Inflação"),
    "leakage_from_to": ("{low} to {high}", "{low} a {high}"),
    "leakage_points": ("{value} points", "{value} pontos"),
    "leakage_labels": (
        "Captions hold most images together in one group: they look like class labels. Equal captions on both sides "
        "are then no sign of leakage; look at the images.",
        "As legendas prendem a maioria das imagens num só grupo: parecem rótulos de classe. Legendas iguais dos dois "
        "lados então não indicam vazamento; olhe as imagens.",
    ),
}
