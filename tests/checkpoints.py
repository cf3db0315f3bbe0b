"""Tiny checkpoints of every model family, with random weights and real tokenizers, as `save_pretrained` writes them.

They have the true architecture, tokenizer algorithm and processor settings of their family, only small: pictures
of 32 pixels, two layers, a vocabulary trained on a handful of sentences. The weights are drawn wide enough that
different inputs get clearly different vectors; the library's own small initialisation would make every test of
equality pass.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

FAMILIES = ("clip", "siglip", "siglip2", "siglip2-naflex", "align", "altclip", "chinese_clip")
"""Encoders; siglip2 is the fixed-resolution kind (model type siglip, Gemma-like tokenizer); siglip2-naflex the other.
"blip2" is a cross-encoder and stands beside them."""

IMAGE_SIZE = 32
TEXT_LENGTH = 32
EMBEDDING_DIM = 24

_PHRASES = [  # who, where
    ("a red boat|two small dogs|an old man|three green apples|the Yellow House|a blue bicycle|one big cat",
     "on the beach|under a tree|near the river at night|in the rain|beside a white wall, smiling"),
    ("um barco vermelho|dois cães pequenos|uma casa amarela|três maçãs verdes|a bicicleta azul",
     "na praia|debaixo da árvore|perto do rio à noite|na chuva|ao lado do muro branco"),
    ("红色的船|两只小狗|一座黄色的房子|三个绿苹果", "在海滩上|在树下|在河边的夜晚"),
]  # fmt: skip


def sentences() -> list[str]:
    """What the tiny tokenizers are trained on: English, Portuguese and a little Chinese."""
    return [
        f"{who}{'' if who[0] > 'ÿ' else ' '}{where}"
        for subjects, places in _PHRASES
        for who in subjects.split("|")
        for where in places.split("|")
    ]


def random_texts(special: Sequence[str], n: int = 400) -> list[str]:
    """Strings of what tokenizers stumble over, in any order; and of any characters at all."""
    chance = random.Random(7)
    bits = [*special, *special, "</s", "▁", " ", "  ", "\t", "\u00a0", "\u2003", "a", "red", " dogs", "É", "ﬁ", "字"]
    bits += [
        "c\u0327",
        "🐕🏽",
        "\u200d",
        "\0",
        "İ",
        "ß",
        "ΑΣ",
        ".",
        "'",
        "<",
        "_",
        "\u202e",
        "\ufeff",
        "\u00ad",
        "\ud800",
    ]
    mixed = ["".join(chance.choices(bits, k=chance.randrange(40))) for _ in range(n)]
    return mixed + ["".join(chr(chance.randrange(0x3000)) for _ in range(chance.randrange(12))) for _ in range(n)]


def make_checkpoint(family: str, folder: Path, **changes: Any) -> Path:
    """Write a tiny checkpoint of `family` to `folder`; `changes` go to the makers (see each)."""
    _MAKERS[family](folder, **changes)
    return folder


# -- tokenizers ------------------------------------------------------------------------------------------------


def clip_tokenizer(texts: list[str], vocabulary_size: int = 700, context: int = TEXT_LENGTH) -> Any:
    """Byte-level BPE as CLIP's, learnt from `texts`; the end token has the highest id, as in CLIP's."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size, end_of_word_suffix="</w>", show_progress=False)
    learner.train_from_iterator(texts, trainer)
    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    tokens = list(dict.fromkeys([*tokens, "<|startoftext|>", "<|endoftext|>"]))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=context)


def _train_sentencepiece(prefix: Path, **options: Any) -> Path:
    import sentencepiece

    corpus: Iterator[str] = iter(sentences() * 3)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus, model_prefix=str(prefix), minloglevel=2, hard_vocab_limit=False, **options
    )
    return prefix.with_suffix(".model")


def _siglip_tokenizer(folder: Path) -> Any:
    from transformers import SiglipTokenizer

    model = _train_sentencepiece(folder / "spiece", vocab_size=260, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "spiece.vocab").unlink()
    return SiglipTokenizer(str(model), model_max_length=TEXT_LENGTH)


def _gemma_tokenizer(cls_name: str) -> Any:
    """Like SigLIP 2's: BPE with bytes to fall back on, spaces as ▁, an <eos> after the text and <pad> at the right."""
    import transformers
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    learner = Tokenizer(models.BPE(unk_token="<unk>"))
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = pre_tokenizers.Split(Regex("▁?[^▁]+"), "isolated")
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>"], show_progress=False)
    learner.train_from_iterator([*sentences(), *(text.lower() for text in sentences())], trainer)
    learned = json.loads(learner.to_str())["model"]
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens = [*specials, *(token for token in learned["vocab"] if token != "<unk>")]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = getattr(transformers, cls_name)(
        vocab=vocabulary, merges=[tuple(pair) for pair in learned["merges"]], padding_side="right"
    )
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", pair="$A <eos> $B <eos>", special_tokens=[("<eos>", vocabulary["<eos>"])]
    )
    return tokenizer


def _xlm_roberta_tokenizer(folder: Path) -> Any:
    import sentencepiece
    from transformers import XLMRobertaTokenizer

    model = _train_sentencepiece(folder / "xlmr", vocab_size=260, unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
    learned = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(3, pieces.get_piece_size())]
    specials = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    for leftover in folder.glob("xlmr.*"):
        leftover.unlink()
    return XLMRobertaTokenizer(vocab=[*specials, *learned, ("<mask>", 0.0)], model_max_length=TEXT_LENGTH)


def _bert_tokenizer(context: int = TEXT_LENGTH) -> Any:
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    learner = BertWordPieceTokenizer(lowercase=True)
    learner.train_from_iterator(sentences(), vocab_size=400, min_frequency=1, show_progress=False)
    return BertTokenizer(vocab=learner.get_vocab(), model_max_length=context, do_lower_case=True)


# -- weights ---------------------------------------------------------------------------------------------------


def _spread(model: Any, seed: int = 0) -> None:
    """Random weights that keep different inputs apart: unit gain through every matrix, lively norms and biases."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim >= 2 and "embedding" in name and "patch" not in name:
                parameter.copy_(noise)
            elif parameter.ndim >= 2:
                parameter.copy_(noise * parameter[0].numel() ** -0.5 * 1.5)
            elif name.endswith("weight"):
                parameter.copy_(1 + 0.1 * noise)
            elif "logit" not in name and "temperature" not in name:
                parameter.copy_(0.1 * noise)


def _save(folder: Path, model: Any, *parts: Any) -> None:
    _spread(model)
    for part in (model, *parts):
        part.save_pretrained(folder)


def _text(tokenizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": TEXT_LENGTH,
        **more,
    }


def _vision(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": IMAGE_SIZE,
        "patch_size": 8,
        **more,
    }


def _make_clip(folder: Path, *, eos_token_id: int | None = None, size: int = IMAGE_SIZE) -> None:
    """eos_token_id=2 is what the oldest checkpoints say, which makes the library pool at the highest id."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    tokenizer = clip_tokenizer(sentences())
    eos = tokenizer.eos_token_id if eos_token_id is None else eos_token_id
    ids = {"eos_token_id": eos, "bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = CLIPConfig(
        text_config=_text(tokenizer, **ids), vision_config=_vision(image_size=size), projection_dim=EMBEDDING_DIM
    )
    processor = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
    _save(folder, CLIPModel(config), tokenizer, processor)


def _make_siglip(folder: Path) -> None:
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _siglip_tokenizer(folder)
    config = SiglipConfig(text_config=_text(tokenizer, projection_size=32), vision_config=_vision())
    processor = SiglipImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})
    _save(folder, SiglipModel(config), tokenizer, processor)


def _make_siglip2(folder: Path) -> None:
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    tokenizer = _gemma_tokenizer("GemmaTokenizer")
    config = SiglipConfig(text_config=_text(tokenizer, projection_size=32), vision_config=_vision())
    processor = SiglipImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}, resample=2)
    _save(folder, SiglipModel(config), tokenizer, processor)


def _make_naflex(folder: Path) -> None:
    from transformers import Siglip2Config, Siglip2ImageProcessorPil, Siglip2Model

    tokenizer = _gemma_tokenizer("Siglip2Tokenizer")
    vision = _vision(num_patches=16)
    del vision["image_size"]
    config = Siglip2Config(text_config=_text(tokenizer, projection_size=32), vision_config=vision)
    _save(folder, Siglip2Model(config), tokenizer, Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16))


def _make_align(folder: Path, *, positions: int = TEXT_LENGTH) -> None:
    """The published ALIGN has 512 positions, of which training used 64."""
    from transformers import AlignConfig, AlignModel, EfficientNetImageProcessorPil

    tokenizer = _bert_tokenizer(positions)
    vision = {
        "image_size": IMAGE_SIZE,
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "in_channels": [32, 16],
        "out_channels": [16, 32],
        "kernel_sizes": [3, 3],
        "strides": [1, 2],
        "expand_ratios": [1, 6],
        "num_block_repeats": [1, 1],
        "depthwise_padding": [],
        "hidden_dim": 32,
    }
    config = AlignConfig(
        text_config=_text(tokenizer, pad_token_id=tokenizer.pad_token_id, max_position_embeddings=positions),
        vision_config=vision,
        projection_dim=32,
    )
    processor = EfficientNetImageProcessorPil(
        size={"height": IMAGE_SIZE + 8, "width": IMAGE_SIZE + 8},
        crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        do_center_crop=True,
        resample=2,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=False,
    )
    _save(folder, AlignModel(config), tokenizer, processor)


def _make_altclip(folder: Path) -> None:
    from transformers import AltCLIPConfig, AltCLIPModel

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _xlm_roberta_tokenizer(folder)
    text = _text(tokenizer, project_dim=40, pad_token_id=tokenizer.pad_token_id)
    text["max_position_embeddings"] = TEXT_LENGTH + 2  # RoBERTa counts from the padding index on
    config = AltCLIPConfig(text_config=text, vision_config=_vision(), projection_dim=EMBEDDING_DIM)
    _save(folder, AltCLIPModel(config), tokenizer, _clip_image_processor("CLIPImageProcessorPil"))


def _make_chinese_clip(folder: Path) -> None:
    from transformers import ChineseCLIPConfig, ChineseCLIPModel

    tokenizer = _bert_tokenizer()
    config = ChineseCLIPConfig(
        text_config=_text(tokenizer, pad_token_id=tokenizer.pad_token_id),
        vision_config=_vision(),
        projection_dim=EMBEDDING_DIM,
    )
    _save(folder, ChineseCLIPModel(config), tokenizer, _clip_image_processor("ChineseCLIPImageProcessorPil"))


def _clip_image_processor(cls_name: str) -> Any:
    import transformers

    crop = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return getattr(transformers, cls_name)(size={"shortest_edge": IMAGE_SIZE}, crop_size=crop)


N_QUERIES = 4


def _make_blip2(folder: Path, *, image_token: bool = True, layers: int = 3) -> None:
    """BLIP-2 for image-text matching. Published tokenizers have one token more than the model has words: the one that
    stands for a picture."""
    from transformers import Blip2Config, Blip2ForImageTextRetrieval, BlipImageProcessorPil

    tokenizer = _bert_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    words = len(tokenizer)
    if image_token:
        tokenizer.add_tokens(["<image>"], special_tokens=True)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2}
    config = Blip2Config(
        vision_config={**sizes, "num_hidden_layers": layers, "image_size": IMAGE_SIZE, "patch_size": 8},
        qformer_config={**sizes, "num_hidden_layers": 3, "vocab_size": words, "use_qformer_text_input": True,
                        "max_position_embeddings": TEXT_LENGTH, "pad_token_id": tokenizer.pad_token_id},
        num_query_tokens=N_QUERIES, image_text_hidden_size=EMBEDDING_DIM,
        image_token_index=words if image_token else None,
    )  # fmt: skip
    processor = BlipImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})
    _save(folder, Blip2ForImageTextRetrieval(config), tokenizer, processor)


_MAKERS: dict[str, Callable[..., None]] = {
    "clip": _make_clip,
    "siglip": _make_siglip,
    "siglip2": _make_siglip2,
    "siglip2-naflex": _make_naflex,
    "align": _make_align,
    "altclip": _make_altclip,
    "chinese_clip": _make_chinese_clip,
    "blip2": _make_blip2,
}
