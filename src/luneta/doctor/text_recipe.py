"""Whether texts reach the tower as its family was trained: measured on what the tower really reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from luneta.doctor.behaviour import case_drift, padding_drift
from luneta.doctor.findings import Check, Verdict
from luneta.doctor.probes import TEXTS, Subject
from luneta.errors import LunetaError
from luneta.types import Anatomy

_LONGEST = "red boat house dog tree river " * 120
_PLACES = {"end": "the end token", "last": "the last position", "first": "the first token"}


def text_recipe(subject: Subject) -> list[Check]:
    """Padding, maximum length, case, attention mask and pooling."""
    anatomy = subject.anatomy
    if anatomy is None:
        return [
            _behaviour_of_padding(subject),
            Check("maximum length", "not known", "the encoder does not show its tokens"),
            _behaviour_of_case(subject),
            Check("attention mask", "not known", "the encoder does not show what its text tower reads"),
            Check("pooling", "not known", "the encoder does not show where it reads a text's vector"),
        ]
    return [
        _padding(subject, anatomy),
        _maximum_length(anatomy),
        _lower_casing(anatomy),
        _attention_mask(anatomy),
        _pooling(anatomy),
    ]


def _behaviour_of_padding(subject: Subject) -> Check:
    moved = padding_drift(subject)
    good = moved <= subject.tolerance
    measured = f"a text beside a much longer one: 1 - cosine {moved:.2g}"
    if not good:
        measured += f", where {subject.tolerance:.0e} is rounding: its padding changes with its neighbours and is read"
    return Check("text padding", "pass" if good else "fail", measured, {"drift": moved})


def _behaviour_of_case(subject: Subject) -> Check:
    moved = case_drift(subject)
    says = "capitals change nothing" if moved <= subject.tolerance else f"capitals move a vector by up to {moved:.2g}"
    return Check(
        "lower-casing", "not known", f"{says}; whether they should, the encoder does not say", {"drift": moved}
    )


def _padding(subject: Subject, anatomy: Anatomy) -> Check:
    """Where the padding is read: how far, with what, on which side; everywhere: whether neighbours change a vector."""
    behaviour = _behaviour_of_padding(subject)
    training = anatomy.training
    if not training.pads_to_context:
        return behaviour
    short = _ids(anatomy, TEXTS[:1])[0]
    numbers = {**behaviour.numbers, "length": len(short), "context": training.context}
    faults = []
    if len(short) != training.context:
        faults.append(
            f"a short text is padded to {len(short)} tokens, but {training.family} reads it at position "
            f"{training.context} and was trained on nothing shorter"
        )
    elif short[0] == training.padding_id:
        faults.append("padding comes before the text, and was learnt after it")
    elif short[-1] != training.padding_id:
        faults.append(f"texts are padded with token {short[-1]}, and {training.padding_id} was learnt")
    if behaviour.verdict == "fail":
        faults.append(behaviour.measured)
    measured = "; ".join(faults) or f"to {len(short)} tokens whatever the batch; {behaviour.measured}"
    return Check("text padding", "fail" if faults else "pass", measured, numbers)


def _maximum_length(anatomy: Anatomy) -> Check:
    training = anatomy.training
    longest, short = _ids(anatomy, [_LONGEST])[0], _ids(anatomy, TEXTS[:1])[0]
    numbers = {"length": len(longest), "context": training.context}
    written = [token for token in short if token != training.padding_id]
    if len(longest) > training.context:
        measured = f"a text may have {len(longest)} tokens, but positions beyond {training.context} were not trained"
        return Check("maximum length", "fail", measured, numbers)
    if longest[-1] not in (written[-1] if written else None, training.padding_id):
        return Check("maximum length", "fail", "a text that is cut loses its end token", numbers)
    if len(longest) < training.context:
        measured = f"texts are cut at {len(longest)} tokens, and {training.context} were trained"
        return Check("maximum length", "warn", measured, numbers)
    return Check("maximum length", "pass", f"{len(longest)} tokens; a text that is cut keeps its end token", numbers)


def _lower_casing(anatomy: Anatomy) -> Check:
    folds = [
        _ids(anatomy, [text])[0] == _ids(anatomy, [other])[0]
        for text in TEXTS
        for other in (text.upper(), text.title())
    ]
    expected = anatomy.training.folds_case
    numbers = {"same_tokens": sum(folds), "of": len(folds)}
    if all(folds):
        verdict: Verdict = "warn" if expected is False else "pass"
        more = ", but the family tells capitals apart" if expected is False else ""
        return Check("lower-casing", verdict, f"capitals and small letters give the same tokens{more}", numbers)
    verdict = "fail" if expected else "pass"
    more = " but were not told apart in training" if expected else ", as in training" if expected is False else ""
    return Check("lower-casing", verdict, f"capitals give other tokens{more}", numbers)


def _attention_mask(anatomy: Anatomy) -> Check:
    given = "attention_mask" in anatomy.text_inputs(TEXTS)
    expected, family = anatomy.training.masks_padding, anatomy.training.family
    states = {True: "with a mask", False: "without a mask"}
    measured = f"the text tower is run {states[given]}"
    if given == expected:
        return Check("attention mask", "pass", f"{measured}, as {family} was trained")
    return Check("attention mask", "fail", f"{measured}, and {family} was trained {states[expected]}")


def _pooling(anatomy: Anatomy) -> Check:
    """The position whose state, through the last projection, is the vector."""
    expected = anatomy.training.pooling
    try:
        positions = anatomy.pooled_positions(TEXTS)
    except LunetaError:
        positions = None
    if positions is None:
        return Check("pooling", "fail", f"the vector is at none of the tokens; expected {_PLACES[expected]}")
    rows = _ids(anatomy, TEXTS)
    end = _ids(anatomy, [_LONGEST])[0][-1]
    wanted = {
        "end": [row.index(end) if end in row else -1 for row in rows],
        "last": [len(row) - 1 for row in rows],
        "first": [0] * len(rows),
    }
    numbers = {"positions": positions, "expected": wanted[expected]}
    if positions == wanted[expected]:
        return Check("pooling", "pass", f"a text's vector is read at {_PLACES[expected]}", numbers)
    found = next((_PLACES[place] for place, where in wanted.items() if where == positions), f"positions {positions}")
    return Check("pooling", "fail", f"a text's vector is read at {found}, expected {_PLACES[expected]}", numbers)


def _ids(anatomy: Anatomy, texts: Sequence[str]) -> list[list[int]]:
    ids: NDArray[Any] = anatomy.text_inputs(texts)["input_ids"]
    return [[int(token) for token in row] for row in ids]
