"""How many steps source-only needs from random weights, where source images are few.

    python -m tests.benchmarks.source_only_steps KIT

The small network learns from 250 images of digits (a quarter of them held out) with 500 steps of
64 images, and with fewer; beside the steps stand the accuracy on other images of the source and on
300 of the target, and the seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.small_cnn import small_source
from autotransfer.plugin.strategy import TaskInfo
from autotransfer.results import ScenarioKind
from autotransfer.scenarios.unlabelled.holdout import divide_source, divide_target
from autotransfer.scenarios.unlabelled.trials import UnlabelledContext
from autotransfer.search.trial import TrialSpec
from autotransfer_adaptation.source_only import SourceOnly

SHIFTS = (("usps", "mnist"), ("mnist", "mnistm"))
EFFORTS = (1.0, 0.47, 0.25)
SOURCE_IMAGES, TARGET_IMAGES, OTHERS = 250, 300, 900


class Unlimited(SourceOnly):
    """As many passes as the steps say."""

    most_passes = 10_000


def main(kit: Path) -> None:
    """Print one row a shift and number of steps."""
    torch.set_num_threads(1)
    source, strategy = small_source(), Unlimited()
    print("| shift | steps | source | target | seconds |")  # noqa: T201
    print("|---|---|---|---|---|")  # noqa: T201
    for name, other in SHIFTS:
        images, target = _opened(kit, name), _opened(kit, other).sample(TARGET_IMAGES, 0)
        learnt = images.sample(SOURCE_IMAGES, 0)
        known, more = set(learnt.digests), images.sample(OTHERS, 1)
        unseen = more.subset([i for i, d in enumerate(more.digests) if d not in known])
        readers = FeatureReaders(
            FeatureStore(), PixelStore(1 << 30), load_backbone, torch.device("cpu")
        )
        context = UnlabelledContext(
            divide_source(learnt), divide_target(target.without_labels()), learnt.class_names,
            readers, (source,), 0,
        )  # fmt: skip
        info = TaskInfo(source, ScenarioKind.UNLABELLED, len(learnt), len(learnt.class_names))
        for effort in EFFORTS:
            params = {**strategy.space(info).defaults(), "effort": effort}
            found = context.run(TrialSpec(0, source, strategy, params, 0, None))
            assert found.predictor is not None, found.outcome.error
            right = [
                (found.predictor.predict(part, readers[source]).argmax(axis=1) == part.labels)
                for part in (unseen, target)
            ]
            shown = " | ".join(f"{part.mean():.3f}" for part in right)
            print(  # noqa: T201
                f"| {name} -> {other} | {500 * effort:.0f} | {shown} "
                f"| {found.outcome.seconds:.0f} |",
                flush=True,
            )


def _opened(kit: Path, name: str) -> ImageSet:
    return open_target(str(kit / "data" / f"{name}.npz")).train


if __name__ == "__main__":
    main(Path(sys.argv[1]))
