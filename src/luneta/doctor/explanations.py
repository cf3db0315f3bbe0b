"""Why each check matters and how what it finds is mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of one check.

    Attributes:
        why: what goes wrong where this is wrong.
        mend: what to do about it.
    """

    why: str
    mend: str


EXPLANATIONS: Mapping[str, Explanation] = MappingProxyType(
    {
        "vectors": Explanation(
            "Everything downstream takes one float32 row per item, in the order given.",
            "Return a NumPy array of float32 with spec.embedding_dim columns and one row per item.",
        ),
        "finite numbers": Explanation(
            "One NaN makes every comparison with its vector false, so the item is never found, or always.",
            "Fetch the weights again; where they are sound, compute in float32 or bfloat16 instead of float16.",
        ),
        "unit length": Explanation(
            "Scores are cosines. Of vectors of other lengths the long ones win whatever they show.",
            "Divide each vector by its length, in float32.",
        ),
        "distinct vectors": Explanation(
            "Where all inputs get one vector, the tower reads the wrong token, or nothing; retrieval is by chance.",
            "Look where the text's vector is read (eos_token_id in config.json), and at the weights.",
        ),
        "text padding": Explanation(
            "SigLIP reads a text's vector at the last position, padding included: padded to the longest of its batch, "
            "the same text gets another vector in another batch, and far fewer images are found.",
            'For SigLIP pad every text to the whole context: padding="max_length". For others mask the padding.',
        ),
        "maximum length": Explanation(
            "Beyond the trained length positions are noise; short of it captions lose words. A cut text must keep its "
            "end token, where CLIP reads the vector.",
            "Set model_max_length in tokenizer_config.json to the length of training, and truncate with the tokenizer.",
        ),
        "lower-casing": Explanation(
            "A model trained on lower-cased texts splits capitals into tokens it has seldom or never seen.",
            "Lower-case texts before the tokenizer, or take the tokenizer of the checkpoint itself.",
        ),
        "attention mask": Explanation(
            "SigLIP was trained without a mask: with one the last position sees less than it learnt to. BERT and its "
            "kin were trained with one: without it they read the padding.",
            "Pass attention_mask to the text tower if, and only if, its family was trained with one.",
        ),
        "pooling": Explanation(
            "Only one token of a text was trained to carry its meaning: the end token (CLIP), the last position "
            "(SigLIP), the first (BERT). Any other gives a vector that looks sound and retrieves badly.",
            "Read the text's vector with the model's own get_text_features, and check eos_token_id in config.json.",
        ),
        "resize": Explanation(
            "A model trained on centre crops sees squashed pictures as distorted; one trained on squashed pictures, "
            "given crops, misses what is at the edges.",
            "Take size, crop_size and do_center_crop of preprocessor_config.json from the published checkpoint.",
        ),
        "interpolation": Explanation(
            "Another filter gives other edges and textures: nearest neighbour most of all, which drops whole lines.",
            "Take resample in preprocessor_config.json from the published checkpoint (2 is bilinear, 3 is bicubic).",
        ),
        "mean and deviation": Explanation(
            "Pixels must be as bright and as contrasted as in training: CLIP and SigLIP are normalised differently.",
            "Take image_mean, image_std and rescale_factor of preprocessor_config.json from the published checkpoint.",
        ),
        "weights": Explanation(
            "A layer that did not load, or was initialised anew, computes without a complaint and means nothing.",
            "Load the checkpoint again and look at what did not fit; save and publish all of its tensors.",
        ),
        "logit scale and bias": Explanation(
            "They turn cosines into probabilities: a sigmoid model without its bias calls every pair a match.",
            "Keep logit_scale, and logit_bias of a SigLIP, when converting; give them in the encoder's spec.",
        ),
        "number format": Explanation(
            "bfloat16 has three digits: cosines near 0.3 come in steps of 0.002, so that items tie and ranks change.",
            "Keep norms, pooling and vectors in float32 and only matrix products in bfloat16 (dtype='auto' does), or "
            "compute in float32.",
        ),
        "batch invariance": Explanation(
            "If a vector depends on what else is in its batch, an index and a query never agree, and no number can be "
            "measured twice.",
            "Look for batch norm in training mode, for normalisation over the batch, and for padding without a mask.",
        ),
        "order": Explanation(
            "Rows in another order than the inputs pair every picture with another's caption.",
            "Where inputs are sorted by length or computed in parallel, put the vectors back in their places.",
        ),
        "determinism": Explanation(
            "Vectors that change from call to call come from dropout or other noise: scores are lower and never twice "
            "the same.",
            "Call model.eval() before encoding, and leave out random augmentation of pictures.",
        ),
        "one image path": Explanation(
            "Indexing prepares pictures in threads, a query in one call: two paths mean two kinds of vectors.",
            "Let encode_images(images) be encode_prepared([prepare_image(image) for image in images]).",
        ),
        "languages": Explanation(
            "A checkpoint reads the languages it was trained on, whatever its family's name suggests.",
            "Choose a checkpoint whose record names the language (luneta encoders lists some), or fine-tune.",
        ),
        "tokenizer": Explanation(
            "Words that fall apart into letters, bytes or unknown tokens carry little meaning into the model.",
            "Choose a checkpoint whose tokenizer was trained on this language, or translate the captions.",
        ),
        "truncated captions": Explanation(
            "What stands after the last token that fits is never read: such captions look like one another.",
            "Shorten the captions or split them into several, with the most telling words first.",
        ),
        "positives above shuffled": Explanation(
            "A picture must be nearer to its own caption than to others'. If it is not, a tower holds other weights, "
            "the pairs are shifted, or the model does not know this kind of data.",
            "Look at the other checks first; then open some pairs and see whether they belong together.",
        ),
    }
)
