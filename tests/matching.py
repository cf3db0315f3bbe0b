"""What the library's own BLIP-2 says of texts and pictures, also with prompts among its tokens: the trusted twin."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from checkpoints import N_QUERIES
from luneta.encoders.registry import load_cross_encoder


@functools.cache
def load(folder: Path, **options: Any) -> Any:
    return load_cross_encoder(folder, dtype="float32", device="cpu", **options)


@functools.cache
def library(folder: Path) -> Any:
    from transformers import Blip2ForImageTextRetrieval

    return Blip2ForImageTextRetrieval.from_pretrained(folder, dtype=torch.float32).eval()


@torch.no_grad()
def library_scores(folder: Path, texts: list[str], images: list[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ITC, the probability and the logit of ITM of pairs, by the library's processor and model, one pair at a time.

    Pixels are ours, which may be one grey level off (see test_preprocessing.py).
    """
    from transformers import AutoTokenizer, Blip2Processor, BlipImageProcessorPil

    model, found = library(folder), []
    tokenizer = AutoTokenizer.from_pretrained(folder)
    n_queries = N_QUERIES if model.config.image_token_index is not None else None
    processor = Blip2Processor(BlipImageProcessorPil.from_pretrained(folder), tokenizer, num_query_tokens=n_queries)
    for text, image in zip(texts, images, strict=True):
        inputs = processor(images=image, text=text, return_tensors="pt")
        ours = load(folder)._images.collate([load(folder).prepare_image(image)])["pixel_values"]
        assert (ours - inputs["pixel_values"]).abs().max() < 0.02
        inputs["pixel_values"] = ours
        itm = model(**inputs, use_image_text_matching_head=True).logits_per_image
        itc = model(**inputs, use_image_text_matching_head=False).logits_per_image
        found.append((itc.item(), itm.softmax(dim=1)[0, 1].item(), itm[0, 1].item()))
    itcs, probabilities, logits = np.array(found).T
    return itcs, probabilities, logits


@torch.no_grad()
def naive(folder: Path, inputs: Tensor, texts: list[str], prompts: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """Prompts among the tokens, the library's blocks, prompts out, the library's Q-Former: states and ITM logits."""
    from transformers import AutoTokenizer

    model, tokenizer = library(folder), AutoTokenizer.from_pretrained(folder)
    states = model.vision_model.embeddings(inputs)
    for number, block in enumerate(model.vision_model.encoder.layers):
        if number == layer:  # behind the class token, before the patches
            states = torch.cat([states[:, :1], prompts, states[:, 1:]], dim=1)
        states = block(states)
    m = prompts.shape[1]
    states = model.vision_model.post_layernorm(torch.cat([states[:, :1], states[:, 1 + m :]], dim=1))
    logits = []
    for row, text in enumerate(texts):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        queries = model.embeddings(input_ids=ids, query_embeds=model.query_tokens)
        read = model.qformer(
            query_embeds=queries, query_length=N_QUERIES, encoder_hidden_states=states[row : row + 1]
        ).last_hidden_state  # fmt: skip
        logits.append(model.itm_head(read[:, :N_QUERIES]).mean(dim=1)[0])
    return states, torch.stack(logits)
