"""What the doctor says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from luneta.doctor.explanations import EXPLANATIONS
from luneta.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from rich.console import RenderableType

Verdict = Literal["pass", "warn", "fail", "not known"]
SCHEMA = "luneta.diagnosis/1"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at; a key of `EXPLANATIONS`.
        verdict: "not known" where the encoder does not let itself be opened, or there is nothing to measure.
        measured: what was found, for a person.
        numbers: the same for a program.
        why: what goes wrong where this is wrong.
        mend: what to do about it.
    """

    name: str
    verdict: Verdict
    measured: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def why(self) -> str:
        return EXPLANATIONS[self.name].why

    @property
    def mend(self) -> str:
        return EXPLANATIONS[self.name].mend

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "numbers": dict(self.numbers), "why": self.why, "mend": self.mend}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks of one encoder, in a fixed order.

    Attributes:
        encoder: its name.
        fingerprint: its fingerprint.
        dtype: in which number format it computes.
        dataset: the name of the data it was examined with; None without.
        checks: every check that was made.
    """

    encoder: str
    fingerprint: str
    dtype: str
    dataset: str | None
    checks: Sequence[Check]

    @property
    def verdict(self) -> Verdict:
        """The worst of all checks."""
        found = {check.verdict for check in self.checks}
        return "fail" if "fail" in found else "warn" if "warn" in found else "pass"

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if check.verdict == "fail"]

    @property
    def warned(self) -> list[Check]:
        return [check for check in self.checks if check.verdict == "warn"]

    def __getitem__(self, name: str) -> Check:
        """The check of that name.

        Raises:
            ConfigError: there is none, or it was not made.
        """
        for check in self.checks:
            if check.name == name:
                return check
        raise ConfigError(f"no check {name!r} was made. {did_you_mean(name, [check.name for check in self.checks])}")

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "encoder": self.encoder,
            "fingerprint": self.fingerprint,
            "dtype": self.dtype,
            "dataset": self.dataset,
            "verdict": self.verdict,
            "checks": [check.to_dict() for check in self.checks],
        }

    def __rich__(self) -> RenderableType:
        from luneta.doctor.terminal import diagnosis_view

        return diagnosis_view(self)
