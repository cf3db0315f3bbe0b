"""Trains luneta-mini and luneta-mini-siglip, the dual encoders that come with Luneta, from nothing.

Data: `cenas:train` and, to begin with, further easy scenes of the training split; the flat style, English captions
only. Both learn to see, to read and to tell objects, colours, numbers and sides apart in one run on a CPU. They stop
before they have learnt all they could: the room that is left is what fine-tuning and re-ranking show themselves in.

    python scripts/train_mini.py clip --out src/luneta/encoders/weights/luneta-mini
    python scripts/train_mini.py siglip --out src/luneta/encoders/weights/luneta-mini-siglip

Matching alone teaches colours, places and weather, since these tell most pictures of a batch apart, and no kinds of
objects at all. Four things together teach these (EXPERIMENTS.md has what each does): Muon; a linear layer, thrown away
in the end, that must tell from a picture's vector which words its captions use (as in CatLIP and SuperClass: Mehta et
al., 2024; Huang et al., 2024); a patch embedding that starts by seeing edges; easy pictures first.

One seed decides the weights' start, the order of pictures and the captions chosen; on one machine with one number of
threads a second run gives the same weights.
"""

from __future__ import annotations

import argparse
import io
import itertools
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
from luneta.data.cenas.world import VERSION, Scene, random_scene, scenes, seeded, split_of

Pixels = NDArray[np.uint8]
Ids = NDArray[np.int64]
VISION = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4,
          "image_size": PIXELS, "patch_size": 12}  # fmt: skip
TEXT = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 4}
N_EASY = 24_000
LARGEST_SCALE = math.log(100.0)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast.

    Attributes:
        steps: length of the learning rate's schedule.
        logit_rate: how many times faster the scale and bias of the logits learn.
        matrix_rate: how many times faster the matrices learn, which are Muon's.
        words_weight: of the loss of telling a caption's words from the picture.
        easy_steps: for so many steps only pictures of one kind of object, not small.
    """

    steps: int
    learning_rate: float = 1.2e-3
    logit_rate: float = 1.0
    matrix_rate: float = 5.0
    words_weight: float = 4.0
    easy_steps: int = 500
    warmup: int = 70


class Family(Protocol):
    """What sets the two architectures apart."""

    tokenizer: Any
    image_processor: Any
    model: torch.nn.Module
    max_length: int
    recipe: Recipe

    def loss(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Unit vectors (batch, dim) of matching pictures and texts -> the loss."""
        ...


class Clip(Family):
    """Class token, causal text pooled at its end token, softmax loss over the batch (Radford et al., 2021)."""

    max_length = 77
    recipe = Recipe(steps=1300)

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

    def loss(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        logits = self.model.logit_scale.clamp(max=LARGEST_SCALE).exp() * text @ image.T
        target = torch.arange(len(logits))
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class Siglip(Family):
    """Attention pooling, text padded to full length, sigmoid loss summed over pairs and divided by the batch
    (Zhai et al., 2023)."""

    max_length = 32
    recipe = Recipe(steps=1300, logit_rate=10.0)

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

    def loss(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        logits = self.model.logit_scale.exp() * text @ image.T + self.model.logit_bias
        signs = 2 * torch.eye(len(logits)) - 1
        return -F.logsigmoid(signs * logits).sum() / len(logits)


FAMILIES = {"clip": Clip, "siglip": Siglip}


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

    learnt = io.BytesIO()  # a file's name would go into the model, and another one into the next
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_canonical(text) for text in texts), model_writer=learnt,
        model_type="bpe", vocab_size=1400,
        pad_id=-1, bos_id=-1, eos_id=1, unk_id=2, byte_fallback=False, character_coverage=1.0,
        required_chars="abcdefghijklmnopqrstuvwxyzáâãàéêíóôõúç0123456789", hard_vocab_limit=False,
        num_threads=1, minloglevel=2, add_dummy_prefix=False, normalization_rule_name="nmt_nfkc",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "spiece.model")
        path.write_bytes(learnt.getvalue())
        return SiglipTokenizer(str(path), model_max_length=max_length, padding_side="right")


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
        easy: numbers of the pictures that show one kind of object, not small.
    """

    pixels: Pixels
    ids: Ids
    easy: NDArray[np.int64]


def load_split(family: Family, drawn: Sequence[Scene], style: str, language: str) -> Split:
    pixels = np.empty((len(drawn), PIXELS, PIXELS, 3), dtype=np.uint8)
    for scene, slot in zip(drawn, pixels, strict=True):
        slot[:] = np.asarray(draw(scene, style))
    texts = caption_texts(drawn, language)
    easy = [i for i, scene in enumerate(drawn) if is_easy(scene)]
    return Split(pixels, tokenise(family, texts).reshape(len(drawn), -1, family.max_length), np.array(easy))


def more_easy_scenes(n: int) -> list[Scene]:
    """Further scenes of the training split that show one kind of object, not small."""
    rng, known = seeded(VERSION, "easy scenes to train on"), {scene.signature for scene in scenes("train")}
    found: list[Scene] = []
    while len(found) < n:
        scene = random_scene(rng)
        if is_easy(scene) and split_of(scene) == "train" and scene.signature not in known:
            known.add(scene.signature)
            found.append(scene)
    return found


def is_easy(scene: Scene) -> bool:
    return len(scene.groups) == 1 and scene.groups[0].size != "small"


@torch.no_grad()
def see_contrasts(family: Family, pixels: Pixels) -> None:
    """Start the patch embedding with the main components of some pictures' patches, each as strong as the next.

    Edges, which tell shapes, are a small part of what random weights see; with these the training comes to shapes
    sooner (whitening as in Coates and Ng, 2012).
    """
    weight = family.model.vision_model.embeddings.patch_embedding.weight
    side = VISION["patch_size"]
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in (family.image_processor.image_mean, family.image_processor.image_std)
    )
    values = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    patches = F.unfold(values, side, stride=side).transpose(1, 2).reshape(-1, weight[0].numel())
    strengths, components = torch.linalg.eigh(torch.cov(patches.T))
    n = len(weight) // 2
    whitening = (components[:, -n:] / (strengths[-n:] + 0.01).sqrt()).T
    weight.copy_(0.5 * torch.cat([whitening, -whitening]).view_as(weight))


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


def batches(split: Split, size: int, easy_steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Whole batches of different pictures, for ever, the easy ones first; nearly every picture once in each round."""
    yield from itertools.islice(_rounds(split.easy, size, rng), easy_steps)
    yield from _rounds(np.arange(len(scenes("train"))), size, rng)


def _rounds(numbers: NDArray[np.int64], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    while True:
        order = rng.permutation(numbers)
        yield from (order[start : start + size] for start in range(0, len(order) - size + 1, size))


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a half cosine down to a hundredth."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal, for matrices (Jordan et al., 2024); steps are as large as AdamW's.

    Here it learns two to three times faster than AdamW. It is torch.optim.Muon in float32: that one computes in
    bfloat16, ten times slower than float32 on a processor without it.
    """

    def __init__(self, params: Any, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": 0.0, "momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for matrix in group["params"]:
                mean = self.state[matrix].setdefault("mean", torch.zeros_like(matrix))
                mean.lerp_(matrix.grad, 1 - group["momentum"])
                update = orthogonal(matrix.grad.lerp(mean, group["momentum"]))
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * 0.2 * max(matrix.shape) ** 0.5)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest matrix of orthonormal rows or columns, roughly, by five Newton-Schulz steps."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    matrix = matrix / (matrix.norm() + 1e-7)
    for _ in range(5):
        gram = matrix @ matrix.T
        matrix = 3.4445 * matrix + (2.0315 * gram @ gram - 4.7750 * gram) @ matrix
    return matrix


class Words(torch.nn.Linear):
    """Tells from a picture's vector which tokens its captions hold, of those neither rare nor nearly always there."""

    def __init__(self, split: Split, dim: int) -> None:
        present = np.zeros((len(split.ids), int(split.ids.max()) + 1), dtype=bool)
        present[np.arange(len(split.ids))[:, None, None], split.ids] = True
        share = present.mean(0)
        chosen = (share > 0.001) & (share < 0.6)
        super().__init__(dim, int(chosen.sum()))
        self.present = torch.from_numpy(present[:, chosen].astype(np.float32))
        share = torch.from_numpy(share[chosen]).float()
        self.entropy = -(share * share.log() + (1 - share) * (1 - share).log())

    def loss(self, image: torch.Tensor, chosen: NDArray[np.int64]) -> torch.Tensor:
        """Unit vectors (batch, dim) and the pictures' numbers -> mean cross-entropy, in units of each word's entropy:
        1 is to know nothing but how often words occur, for rare words and for common ones."""
        logits = self(image * image.shape[1] ** 0.5)
        loss = F.binary_cross_entropy_with_logits(logits, self.present[chosen], reduction="none")
        return (loss / self.entropy).mean()


def optimizers(model: torch.nn.Module, words: Words, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the rest; scale and bias of the logits, single numbers that must
    travel far, may learn faster. `rate` of a group is its share of the learning rate."""
    logits, layers, tables, vectors = [], [], [], []
    for name, parameter in model.named_parameters():
        if name in ("logit_scale", "logit_bias"):
            logits.append(parameter)
        elif parameter.ndim == 2 and "embedding" not in name:
            layers.append(parameter)
        elif parameter.ndim >= 2:
            tables.append(parameter)
        else:
            vectors.append(parameter)
    rest = [
        {"params": tables, "weight_decay": 0.05, "rate": 1.0},
        {"params": vectors, "weight_decay": 0.0, "rate": 1.0},
        {"params": logits, "weight_decay": 0.0, "rate": recipe.logit_rate},
        {"params": list(words.parameters()), "weight_decay": 0.05, "rate": 1.0},
    ]
    return [
        Muon([{"params": layers, "weight_decay": 0.05, "rate": recipe.matrix_rate}]),
        torch.optim.AdamW(rest, betas=(0.9, 0.98), eps=1e-6),
    ]


def train(family: Family, train_split: Split, val: Split, options: argparse.Namespace) -> None:
    recipe, rng = family.recipe, np.random.default_rng(options.seed)
    words = Words(train_split, VISION["hidden_size"])
    both = optimizers(family.model, words, recipe)
    started, running, running_words = time.perf_counter(), 0.0, 0.0
    stop = options.stop or recipe.steps
    for step, chosen in zip(range(stop), batches(train_split, options.batch, recipe.easy_steps, rng), strict=False):
        for group in (group for optimizer in both for group in optimizer.param_groups):
            group["lr"] = group["rate"] * learning_rate(step, recipe)
        ids = train_split.ids[chosen, rng.integers(train_split.ids.shape[1], size=len(chosen))]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
            image, text = image_vectors(family, train_split.pixels[chosen]), text_vectors(family, ids)
        loss = family.loss(image.float(), text.float())
        words_loss = words.loss(image.float(), chosen)
        family.model.zero_grad()
        words.zero_grad()
        (loss + recipe.words_weight * words_loss).backward()
        torch.nn.utils.clip_grad_norm_(family.model.parameters(), 1.0)
        for optimizer in both:
            optimizer.step()
        running = loss.item() if step == 0 else 0.95 * running + 0.05 * loss.item()
        running_words = words_loss.item() if step == 0 else 0.95 * running_words + 0.05 * words_loss.item()
        if (step + 1) % options.every == 0 or step + 1 == stop:
            scores = recalls(family, val, n_captions=1)
            shown = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
            seconds = time.perf_counter() - started
            losses = f"loss {running:.3f}  words {running_words:.3f}"
            print(f"step {step + 1:5d}  {seconds:6.0f} s  {losses}  val: {shown}", flush=True)
            save(family, options.out)


def save(family: Family, out: Path) -> None:
    family.model.save_pretrained(out)
    family.tokenizer.save_pretrained(out)
    family.image_processor.save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("--out", type=Path, required=True)
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
    drawn = [*pictures["train"], *more_easy_scenes(N_EASY)]
    family = FAMILIES[options.family](pictures["train"])
    print(f"{sum(p.numel() for p in family.model.parameters()):,} parameters", flush=True)
    train_split = load_split(family, drawn, "flat", "en")
    see_contrasts(family, train_split.pixels[:400])
    val = load_split(family, pictures["val"], "flat", "en")
    print(f"{len(train_split.pixels)} pictures drawn, {train_split.ids.shape[-1]} tokens a text", flush=True)
    train(family, train_split, val, options)
    for style, language in (("flat", "en"), ("flat", "pt-BR"), ("sketch", "en"), ("night", "en")):
        scores = recalls(family, load_split(family, pictures["test"], style, language))
        print(f"test {style:6s} {language:5s}", {k: round(v, 4) for k, v in scores.items()}, flush=True)


if __name__ == "__main__":
    main()
