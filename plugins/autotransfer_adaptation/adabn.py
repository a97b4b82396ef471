"""AdaBN: training on source images, then batch-norm statistics of the target."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from typing_extensions import override

from autotransfer.plugin import ParamValue, sources, training
from autotransfer_adaptation.two_domains import Domains, TwoDomains, source_loss


class AdaBn(TwoDomains):
    """No objective of its own: the statistics of the layers that learn are the target's.

    References:
        Li et al., Revisiting Batch Normalization For Practical Domain Adaptation,
        arXiv:1603.04779.
    """

    name = "adabn"
    modalities = frozenset({sources.Modality.IMAGE})  # networks for texts have no batch norm
    priority = 3

    @override
    def loss(
        self, domains: Domains, step: training.Step, params: Mapping[str, ParamValue]
    ) -> Tensor:
        return source_loss(domains, step)[0]
