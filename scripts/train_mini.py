"""Trains luneta-mini and luneta-mini-siglip, the dual encoders that come with Luneta, from nothing.

Data: `cenas:train`, the flat style, English captions only. Both learn to see, to read and to tell colours, numbers and
sides apart in one run on a CPU. They stop long before they have learnt all they could: the room that is left is what
fine-tuning and re-ranking show themselves in.

    python scripts/train_mini.py clip --out src/luneta/encoders/weights/luneta-mini
    python scripts/train_mini.py clip --stop 900 --out young
    python scripts/train_mini.py siglip --start young --stop 350 --out src/luneta/encoders/weights/luneta-mini-siglip

The SigLIP takes over a young CLIP's eyes (patch, position and transformer weights) and learns its pooling, its language
and its loss anew: from nothing it learns several times slower.

One seed decides the weights' start, the order of pictures and the captions chosen; on one machine with one number of
threads a second run gives the same weights.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from luneta.data.cenas.backgrounds import PIXELS
from luneta.data.cenas.captions import captions
from luneta.data.cenas.draw import draw
from luneta.data.cenas.world import Scene, scenes

Pixels = NDArray[np.uint8]
Ids = NDArray[np.int64]
VISION = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4,
          "image_size": PIXELS, "patch_size": 12}  # fmt: skip
TEXT = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 4}
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
LARGEST_SCALE = math.log(100.0)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast.

    Attributes:
        steps: length of the learning rate's schedule.
        logit_rate: how much faster than everything else the scale and bias of the logits learn.
    """

    steps: int
    learning_rate: float
    logit_rate: float
    warmup: int = 70


class Family(Protocol):
    """What sets the two architectures apart."""

    tokenizer: Any
    image_processor: Any
    model: torch.nn.Module
    max_length: int
    recipe: Recipe

    def start_from(self, folder: Path, pixels: Pixels) -> None:
        """Take over what a trained checkpoint knows; `pixels` are some pictures to measure by."""
        ...

    def loss(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Unit vectors (batch, dim) of matching pictures and texts -> the loss."""
        ...


class Clip(Family):
    """Class token, causal text pooled at its end token, softmax loss over the batch (Radford et al., 2021)."""

    max_length = 77
    recipe = Recipe(steps=1400, learning_rate=1.2e-3, logit_rate=1.0)

    def __init__(self, drawn: Sequence[Scene]) -> None:
        from transformers import CLIPConfig, CLIPModel
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil  # needs no torchvision

        self.tokenizer = _clip_tokenizer(caption_texts(drawn, "en"), self.max_length)
        special = {
            "bos_token_id": self.tokenizer.bos_token_id,
            "eos_token_id": self.tokenizer.eos_token_id,
            "pad_token_id": self.tokenizer.pad_token_id,
        }
        text = {**TEXT, **special, "vocab_size": len(self.tokenizer), "max_position_embeddings": self.max_length}
        text["num_hidden_layers"] = 3
        self.model = CLIPModel(
            CLIPConfig(
                text_config={**text, "hidden_act": "gelu"},
                vision_config={**VISION, "hidden_act": "gelu"},
                projection_dim=128,
            )
        )
        side = {"height": PIXELS, "width": PIXELS}
        self.image_processor = CLIPImageProcessorPil(size={"shortest_edge": PIXELS}, crop_size=side)

    def start_from(self, folder: Path, pixels: Pixels) -> None:
        from transformers import CLIPModel

        self.model.load_state_dict(CLIPModel.from_pretrained(folder, dtype=torch.float32).state_dict())

    def loss(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        logits = self.model.logit_scale.clamp(max=LARGEST_SCALE).exp() * text @ image.T
        target = torch.arange(len(logits))
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class Siglip(Family):
    """Attention pooling, text padded to full length, sigmoid loss summed over pairs and divided by the batch
    (Zhai et al., 2023)."""

    max_length = 32
    recipe = Recipe(steps=600, learning_rate=1.2e-3, logit_rate=10.0)

    def __init__(self, drawn: Sequence[Scene]) -> None:
        from transformers import SiglipConfig, SiglipModel
        from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

        texts = caption_texts(drawn, "en") + caption_texts(drawn, "pt-BR")
        self.tokenizer = _siglip_tokenizer(texts, self.max_length)
        special = {
            "bos_token_id": None,
            "eos_token_id": self.tokenizer.eos_token_id,
            "pad_token_id": self.tokenizer.pad_token_id,
        }
        text = {**TEXT, **special, "vocab_size": len(self.tokenizer), "max_position_embeddings": self.max_length}
        text["num_hidden_layers"] = 2
        # both towers must end in one width: the text tower projects to the picture's
        text["projection_size"] = VISION["hidden_size"]
        self.model = SiglipModel(SiglipConfig(text_config=text, vision_config=VISION))
        with torch.no_grad():
            self.model.logit_scale.fill_(math.log(10.0))
            self.model.logit_bias.fill_(-math.log(127.0))  # the odds of a pair of a batch of 128 to match
        side = {"height": PIXELS, "width": PIXELS}
        self.image_processor = SiglipImageProcessorPil(size=side)

    def start_from(self, folder: Path, pixels: Pixels) -> None:
        from transformers import CLIPModel

        take_over_eyes(self.model, CLIPModel.from_pretrained(folder, dtype=torch.float32), pixels)

    def loss(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        logits = self.model.logit_scale.exp() * text @ image.T + self.model.logit_bias
        signs = 2 * torch.eye(len(logits)) - 1
        return -F.logsigmoid(signs * logits).sum() / len(logits)


FAMILIES = {"clip": Clip, "siglip": Siglip}


@torch.no_grad()
def take_over_eyes(siglip: torch.nn.Module, clip: torch.nn.Module, pixels: Pixels) -> None:
    """Copies the vision transformer of a CLIP of the same width into a SigLIP.

    CLIP's other pixel normalisation and the layer norm in front of its transformer, which SigLIP lacks, are folded
    into the embedding; only the norm's division is approximated, by one number that some `pixels` give.
    """
    seeing, new = clip.vision_model, siglip.vision_model
    new.encoder.load_state_dict(seeing.encoder.state_dict())
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    weight = seeing.embeddings.patch_embedding.weight
    bias = (weight * (0.5 - mean) / std).sum((1, 2, 3))
    place = seeing.embeddings.position_embedding.weight[1:]
    norm = seeing.pre_layrnorm
    values = ((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255) - mean) / std
    gain = norm.weight / seeing.embeddings(values)[:, 1:].std(-1).mean()
    centred = (weight - weight.mean(0)) * 0.5 / std
    new.embeddings.patch_embedding.weight.copy_(centred * gain.view(-1, 1, 1, 1))
    new.embeddings.patch_embedding.bias.copy_((bias - bias.mean()) * gain + norm.bias)
    new.embeddings.position_embedding.weight.copy_((place - place.mean(1, keepdim=True)) * gain)


def _clip_tokenizer(texts: Sequence[str], max_length: int) -> Any:
    """Byte-level BPE as CLIP's, its merges learnt from the captions."""
    from tokenizers import Tokenizer, models, trainers
    from transformers import CLIPTokenizer

    blank = CLIPTokenizer()
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer = blank.backend_tokenizer.normalizer
    learner.pre_tokenizer = blank.backend_tokenizer.pre_tokenizer
    alphabet = sorted(_byte_characters())
    trainer = trainers.BpeTrainer(
        vocab_size=1200, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
    )  # fmt: skip
    learner.train_from_iterator(texts, trainer)
    with tempfile.TemporaryDirectory() as folder:
        learner.model.save(folder)
        merges = [line for line in Path(folder, "merges.txt").read_text("utf-8").splitlines() if line[:8] != "#version"]
    vocab = learner.get_vocab()
    for character in alphabet:  # a byte at the end of a word is a token of its own
        vocab.setdefault(f"{character}</w>", len(vocab))
    pairs = [tuple(line.split(" ")) for line in merges]
    return CLIPTokenizer(vocab=vocab, merges=pairs, model_max_length=max_length)


def _byte_characters() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return ByteLevel.alphabet()


def _siglip_tokenizer(texts: Sequence[str], max_length: int) -> Any:
    """Sentencepiece as SigLIP's, learnt from the captions as SigLIP canonicalises them.

    It is shown Portuguese too: in pieces learnt from English alone a Portuguese caption would not fit the text
    tower, and no fine-tuning could mend that. The model itself is trained on English only.
    """
    import sentencepiece
    from transformers import SiglipTokenizer

    with tempfile.TemporaryDirectory() as folder:
        prefix = str(Path(folder, "spiece"))
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(_canonical(text) for text in texts), model_prefix=prefix,
            model_type="bpe", vocab_size=1400,
            pad_id=-1, bos_id=-1, eos_id=1, unk_id=2, byte_fallback=False, character_coverage=1.0,
            required_chars="abcdefghijklmnopqrstuvwxyzáâãàéêíóôõúç0123456789", hard_vocab_limit=False,
            num_threads=1, minloglevel=2, add_dummy_prefix=False, normalization_rule_name="nmt_nfkc",
        )  # fmt: skip
        return SiglipTokenizer(f"{prefix}.model", model_max_length=max_length, padding_side="right")


def _canonical(text: str) -> str:
    import string

    return text.lower().translate(str.maketrans("", "", string.punctuation)).strip()


def caption_texts(drawn: Sequence[Scene], language: str) -> list[str]:
    return [text for scene in drawn for text in captions(scene, language)]


@dataclass(frozen=True)
class Split:
    """Pictures and tokenised captions, all in memory.

    Attributes:
        pixels: (n, 96, 96, 3).
        ids: (n, 5, length) token ids, padded.
    """

    pixels: Pixels
    ids: Ids


def load_split(family: Family, drawn: Sequence[Scene], style: str, language: str) -> Split:
    pixels = np.empty((len(drawn), PIXELS, PIXELS, 3), dtype=np.uint8)
    for scene, slot in zip(drawn, pixels, strict=True):
        slot[:] = np.asarray(draw(scene, style))
    texts = caption_texts(drawn, language)
    return Split(pixels, tokenise(family, texts).reshape(len(drawn), -1, family.max_length))


def tokenise(family: Family, texts: Sequence[str]) -> Ids:
    encoded = family.tokenizer(list(texts), padding="max_length", truncation=True, max_length=family.max_length)
    return np.asarray(encoded["input_ids"], dtype=np.int64)


def image_vectors(family: Family, pixels: Pixels) -> torch.Tensor:
    """Unit vectors of uint8 pictures that already have the size the model takes."""
    mean, std = (torch.tensor(v) for v in (family.image_processor.image_mean, family.image_processor.image_std))
    values = ((torch.from_numpy(pixels) / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()
    return F.normalize(family.model.get_image_features(pixel_values=values).pooler_output, dim=-1)


def text_vectors(family: Family, ids: Ids) -> torch.Tensor:
    """Unit vectors of padded token ids."""
    if isinstance(family, Clip):  # causal: what comes after the end token is never looked at
        longest = int((ids != family.tokenizer.pad_token_id).sum(1).max()) + 1
        ids = ids[:, : min(longest, family.max_length)]
    return F.normalize(family.model.get_text_features(input_ids=torch.from_numpy(ids)).pooler_output, dim=-1)


@torch.inference_mode()
def recalls(family: Family, split: Split, n_captions: int = 5) -> dict[str, float]:
    """recall@1 and @10 of text to image and recall@1 of image to text, over the first `n_captions` of each picture."""
    family.model.eval()
    images = torch.cat([image_vectors(family, part) for part in _parts(split.pixels, 200)])
    ids = split.ids[:, :n_captions].reshape(-1, split.ids.shape[-1])
    texts = torch.cat([text_vectors(family, part) for part in _parts(ids, 500)])
    family.model.train()
    scores = (texts @ images.T).numpy()
    owner = np.repeat(np.arange(len(images)), n_captions)
    better = (scores > scores[np.arange(len(texts)), owner][:, None]).sum(1)
    best_of_texts = owner[scores.argmax(0)]
    return {
        "text_to_image recall@1": float((better < 1).mean()),
        "text_to_image recall@10": float((better < 10).mean()),
        "image_to_text recall@1": float((best_of_texts == np.arange(len(images))).mean()),
    }


def _parts(array: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    for start in range(0, len(array), size):
        yield array[start : start + size]


def batches(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Whole batches of different pictures, for ever; nearly every picture once in each round."""
    while True:
        order = rng.permutation(n)
        yield from (order[start : start + size] for start in range(0, n - size + 1, size))


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a half cosine down to a hundredth."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def parameter_groups(model: torch.nn.Module, logit_rate: float) -> list[dict[str, Any]]:
    """Matrices decay; scale and bias of the logits, single numbers that must travel far, may learn faster."""
    named = dict(model.named_parameters())
    logits = [p for name, p in named.items() if name in ("logit_scale", "logit_bias")]
    matrices = [p for name, p in named.items() if p.ndim >= 2]
    others = [p for name, p in named.items() if p.ndim < 2 and name not in ("logit_scale", "logit_bias")]
    return [
        {"params": matrices, "weight_decay": 0.05, "rate": 1.0},
        {"params": others, "weight_decay": 0.0, "rate": 1.0},
        {"params": logits, "weight_decay": 0.0, "rate": logit_rate},
    ]


def train(family: Family, train_split: Split, val: Split, options: argparse.Namespace) -> None:
    recipe, rng = family.recipe, np.random.default_rng(options.seed)
    groups = parameter_groups(family.model, recipe.logit_rate)
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), eps=1e-6)
    started, running = time.perf_counter(), 0.0
    stop = options.stop or recipe.steps
    for step, chosen in zip(range(stop), batches(len(train_split.pixels), options.batch, rng), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * learning_rate(step, recipe)
        ids = train_split.ids[chosen, rng.integers(train_split.ids.shape[1], size=len(chosen))]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
            image, text = image_vectors(family, train_split.pixels[chosen]), text_vectors(family, ids)
        loss = family.loss(image.float(), text.float())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(family.model.parameters(), 1.0)
        optimizer.step()
        running = loss.item() if step == 0 else 0.95 * running + 0.05 * loss.item()
        if (step + 1) % options.every == 0 or step + 1 == stop:
            scores = recalls(family, val, n_captions=1)
            shown = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
            seconds = time.perf_counter() - started
            print(f"step {step + 1:5d}  {seconds:6.0f} s  loss {running:.3f}  val: {shown}", flush=True)
            save(family, options.out)


def save(family: Family, out: Path) -> None:
    family.model.save_pretrained(out)
    family.tokenizer.save_pretrained(out)
    family.image_processor.save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="folder of a trained checkpoint to go on from")
    parser.add_argument("--stop", type=int, help="end after this step, although the schedule goes on")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--every", type=int, default=100, help="steps between validations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast, for processors that compute it")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    pictures = {name: scenes(name) for name in ("train", "val", "test")}
    family = FAMILIES[options.family](pictures["train"])
    print(f"{sum(p.numel() for p in family.model.parameters()):,} parameters", flush=True)
    train_split = load_split(family, pictures["train"], "flat", "en")
    if options.start is not None:
        family.start_from(options.start, train_split.pixels[:200])
    val = load_split(family, pictures["val"], "flat", "en")
    print(f"{len(train_split.pixels)} pictures drawn, {train_split.ids.shape[-1]} tokens a text", flush=True)
    train(family, train_split, val, options)
    for style, language in (("flat", "en"), ("flat", "pt-BR"), ("sketch", "en"), ("night", "en")):
        scores = recalls(family, load_split(family, pictures["test"], style, language))
        print(f"test {style:6s} {language:5s}", {k: round(v, 4) for k, v in scores.items()}, flush=True)


if __name__ == "__main__":
    main()
