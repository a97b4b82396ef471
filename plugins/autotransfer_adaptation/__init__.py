"""Methods for a target without labels: labelled source images, unlabelled target images.

Both have the same classes. `source-only` ignores the target and is what the others must beat.
`mme` is for a target of which a few images have labels.
"""

from __future__ import annotations

from autotransfer.plugin import Strategy, hookimpl
from autotransfer_adaptation.adabn import AdaBn
from autotransfer_adaptation.cdan import Cdan
from autotransfer_adaptation.dann import Dann
from autotransfer_adaptation.deep_coral import DeepCoral
from autotransfer_adaptation.feature_coral import FeatureCoral
from autotransfer_adaptation.feature_transport import FeatureTransport
from autotransfer_adaptation.gradual import DirectSelfTraining, GradualSelfTraining
from autotransfer_adaptation.mcc import Mcc
from autotransfer_adaptation.mme import Mme
from autotransfer_adaptation.shot import Shot
from autotransfer_adaptation.source_only import SourceOnly
from autotransfer_adaptation.source_probe import SourceProbe


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategies."""
    return [
        *(SourceOnly(), SourceProbe()),
        *(FeatureCoral(), FeatureTransport()),
        *(AdaBn(), Cdan(), Dann(), DeepCoral(), Mcc(), Shot()),
        *(DirectSelfTraining(), GradualSelfTraining()),
        Mme(),
    ]
