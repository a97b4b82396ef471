"""How a source wants its sounds: at a rate, up to a length."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from autotransfer.data.modality import Modality
from autotransfer.data.sounds.decoding import LONGEST, RATES
from autotransfer.errors import InvalidOptionError
from autotransfer.results import Json


@dataclass(frozen=True)
class SoundPreprocessing:
    """How a source wants its sounds.

    Args:
        sample_rate: Samples a second.
        max_seconds: Of a longer sound the beginning is read.

    Raises:
        InvalidOptionError: If a value is not allowed.
    """

    modality: ClassVar[Modality] = Modality.SOUND
    sample_rate: int
    max_seconds: float = 10.0

    def __post_init__(self) -> None:
        low, high = RATES
        if not low <= self.sample_rate <= high:
            raise InvalidOptionError(
                f"sample_rate must be in {low}..{high} samples a second, got {self.sample_rate}"
            )
        if not 0 < self.max_seconds <= LONGEST:
            raise InvalidOptionError(
                f"max_seconds must be in (0, {LONGEST:.0f}], got {self.max_seconds}"
            )

    @property
    def told(self) -> str:
        """Return it in a few words."""
        return f"sounds of {self.sample_rate / 1000:g} kHz, up to {self.max_seconds:g} s"

    def plain(self) -> Json:
        """Return plain values that are the same for 1 and 1.0."""
        return {name: float(value) for name, value in asdict(self).items()}
