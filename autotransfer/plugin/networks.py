"""Networks with a head: the layers after a stage, their batch norm, and the ready predictor."""

from autotransfer.data.sounds.spectrogram import Frames, mel_power
from autotransfer.models.activation_memory import put_together
from autotransfer.models.backbone import fresh_backbone, load_backbone
from autotransfer.models.batch_norm import (
    DomainStatistics,
    adapt_statistics,
    adapt_statistics_to,
    batch_norms,
)
from autotransfer.models.builders import BackboneBuilder
from autotransfer.models.item_backbone import ItemBackbone
from autotransfer.models.predictors.base import StageInputs, tensors_under
from autotransfer.models.predictors.neural import (
    PREDICTION_BATCH,
    HeadedSuffix,
    NetworkPredictor,
    features_after,
    predict_batches,
    restore_network,
)
from autotransfer.models.sounds.backbone import Heard, SoundBackbone
from autotransfer.models.stages import captured
from autotransfer.models.texts.backbone import TextBackbone
from autotransfer.plugin.strategy import NetworkStrategy

__all__ = [
    "NetworkStrategy",
    "BackboneBuilder",
    "SoundBackbone",
    "TextBackbone",
    "ItemBackbone",
    "Heard",
    "Frames",
    "mel_power",
    "load_backbone",
    "fresh_backbone",
    "StageInputs",
    "HeadedSuffix",
    "NetworkPredictor",
    "restore_network",
    "tensors_under",
    "features_after",
    "predict_batches",
    "PREDICTION_BATCH",
    "put_together",
    "captured",
    "batch_norms",
    "adapt_statistics",
    "adapt_statistics_to",
    "DomainStatistics",
]
