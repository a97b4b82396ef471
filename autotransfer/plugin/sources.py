"""What a source is made of: its weights, how it wants its items, and its form in JSON."""

from autotransfer.data.images.preprocessing import Preprocessing
from autotransfer.data.item_kinds import ItemKind, ItemPreprocessing
from autotransfer.data.modality import Modality
from autotransfer.data.sounds.preprocessing import SoundPreprocessing
from autotransfer.models.architecture import GIVEN_FEATURES
from autotransfer.models.source import HubWeights, LocalWeights, Untrained
from autotransfer.models.source import source_from_json as from_json
from autotransfer.models.source import source_to_json as to_json
from autotransfer.models.texts.tokens import reason_not_masked

__all__ = [
    "LocalWeights",
    "HubWeights",
    "Untrained",
    "Preprocessing",
    "SoundPreprocessing",
    "Modality",
    "ItemKind",
    "ItemPreprocessing",
    "GIVEN_FEATURES",
    "to_json",
    "reason_not_masked",
    "from_json",
]
