"""How saved baselines come back."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from autotransfer.data.item_kinds import offered_kind
from autotransfer.data.modality import Modality
from autotransfer.errors import UnknownNameError
from autotransfer.models.predictors.base import Predictor
from autotransfer.models.predictors.described import ItemPredictor
from autotransfer.models.predictors.descriptions import DescriptionPredictor
from autotransfer.models.predictors.dummy import MajorityPredictor
from autotransfer.models.predictors.ensemble import restore_ensemble
from autotransfer.models.predictors.neural import restore_head, restore_network
from autotransfer.models.predictors.pixels import PixelPredictor
from autotransfer.models.predictors.spectra import SpectrumPredictor
from autotransfer.models.predictors.words import restore_words
from autotransfer.models.source import Source
from autotransfer.results import Json

MAJORITY = "majority"
PIXELS = "classical-pixels"
TFIDF = "tf-idf"
SPECTRA = "spectral-statistics"
UNTRAINED = "untrained-features"
SCRATCH = "from-scratch"
SMALL = "small-network"
DESCRIBED = "item-numbers"
GIVEN = "given-baseline"
TOGETHER = "baselines-together"
OF_IMAGES = (MAJORITY, PIXELS, UNTRAINED, SMALL, SCRATCH)
BASELINES: Mapping[Modality, tuple[str, ...]] = {  # the cheap ones first
    Modality.IMAGE: OF_IMAGES,
    Modality.TEXT: (MAJORITY, TFIDF, UNTRAINED, SMALL),
    Modality.SOUND: (MAJORITY, SPECTRA, UNTRAINED, SMALL),
}


def baselines_of(modality: Modality) -> tuple[str, ...]:
    """Return the names of the baselines of a kind of items, the cheap ones first.

    Args:
        modality: What the items are.
    """
    kind = offered_kind(modality)
    if kind is None:
        return BASELINES[modality]
    return (MAJORITY, UNTRAINED) if kind.describe is None else (MAJORITY, DESCRIBED, UNTRAINED)


TITLES = {
    MAJORITY: "class shares alone",
    PIXELS: "classical pixels",
    TFIDF: "TF-IDF + logistic regression",
    SPECTRA: "spectral statistics + logistic regression",
    DESCRIBED: "numbers about the items + logistic regression",
    UNTRAINED: "untrained features",
    SCRATCH: "the same network from scratch",
    SMALL: "a small network from scratch",
    GIVEN: "a probe on the baseline's features",
    TOGETHER: "the baselines together",
}

_DESCRIBED: Mapping[str, type[DescriptionPredictor]] = {
    PIXELS: PixelPredictor,
    SPECTRA: SpectrumPredictor,
    DESCRIBED: ItemPredictor,
}


def restore_baseline(
    name: str, tensors: Mapping[str, Tensor], info: Mapping[str, Json], source: Source | None
) -> Predictor:
    """Return the baseline whose `state()` was (tensors, info)."""
    if name in _DESCRIBED:
        return _DESCRIBED[name].restore(tensors, info)
    match name:
        case "majority":
            return MajorityPredictor(tensors["shares"].numpy())
        case "tf-idf":
            return restore_words(tensors, info)
        case "untrained-features" | "given-baseline":
            return restore_head(tensors, info)
        case "from-scratch" | "small-network" if source is not None:
            return restore_network(tensors, info, source)
        case "baselines-together":
            return restore_ensemble(tensors, info, source, restore_baseline)
    raise UnknownNameError("baseline", name, list(TITLES))
