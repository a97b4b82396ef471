"""Shifts between texts without target labels: every method at its default, and what is chosen.

    python -m tests.benchmarks.unlabelled_texts KIT [--shifts NAME...] [--methods NAME...]
        [--network NAME] [--rate X]

Prints a row for each shift and method: accuracy in percent on all target texts, whose labels no
method and no validator reads; the score of MixVal; seconds. The last row of a shift is what the
consensus returns among the methods that ran. `docs/benchmarks/texts.md` has the table.

Nobody has labelled texts of one style and others of another in the kit, so the shifts are made:
"banking-length" and "clinc-length" learn the shorter half of the texts of each class and are asked
about the longer one; "banking-keywords" learns the training texts and is asked about the three
rarest words of each of the test texts, in small letters, as one types into a search.
Learning rates are those of fine-tune. Needs the kit's banking20, clinc15_open and minilm_l6; two
cores, no GPU.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.small_networks import small_network
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.plugin.registry import discover
from autotransfer.plugin.strategy import TaskInfo
from autotransfer.results import ParamValue, ScenarioKind
from autotransfer.scenarios.unlabelled.arms import reads_target
from autotransfer.scenarios.unlabelled.consensus import Candidate, decide
from autotransfer.scenarios.unlabelled.holdout import divide_source, divide_target
from autotransfer.scenarios.unlabelled.trials import UnlabelledContext
from autotransfer.search.trial import TrialSpec
from tests.benchmarks.texts import UNKNOWN

SHIFTS = ("banking-length", "clinc-length", "banking-keywords")
METHODS = (
    *("source-probe", "source-only", "feature-coral", "feature-transport"),
    *("mcc", "deep-coral", "dann", "cdan", "shot"),
)
FILES = {"banking": "banking20.csv", "clinc": "clinc15_open.csv"}
KEYWORDS = 3
_WORD = re.compile(r"\w+")


def domains(kit: Path, shift: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the labelled texts of the source and of the target, whose labels only this reads."""
    name, way = shift.split("-")
    rows = pd.read_csv(
        kit / "data" / {"banking": "banking20.csv", "clinc": "clinc15_open.csv"}[name]
    )
    rows = rows[rows["split"] != UNKNOWN]
    if way == "keywords":
        target = rows[rows["split"] == "test"]
        return rows[rows["split"] == "train"], target.assign(text=keywords(list(target["text"])))
    length = rows["text"].map(lambda text: len(text.split()))
    place = length.groupby(rows["label"]).rank(method="first", pct=True)
    return rows[place <= 0.5], rows[place > 0.5]


def keywords(texts: list[str]) -> list[str]:
    """Return the rarest words of each text, in their order."""
    words = [_WORD.findall(text.lower()) for text in texts]
    counts = Counter(word for found in words for word in set(found))
    kept = []
    for found in words:
        rarest = sorted(dict.fromkeys(found), key=lambda word: counts[word])[:KEYWORDS]
        kept.append(" ".join(word for word in dict.fromkeys(found) if word in rarest))
    return kept


def context_of(
    kit: Path, shift: str, network: str
) -> tuple[UnlabelledContext, np.ndarray, np.ndarray]:
    """Return what all trials share, and the labels of held-out and of learnt target texts."""
    learnt, asked = (frame[["text", "label"]] for frame in domains(kit, shift))
    source_texts, target = open_target(learnt).train, open_target(asked).train
    assert source_texts.class_names == target.class_names
    truth = dict(zip(target.digests, target.labels.tolist(), strict=True))
    part = divide_target(target.without_labels())
    readers = FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))
    source = small_network(target.modality)
    if network != "small":
        source = source_of_folder(kit / "weights" / network)
    assert source is not None
    context = UnlabelledContext(
        divide_source(source_texts), part, target.class_names, readers, (source,), 0
    )
    labels = [
        np.array([truth[digest] for digest in texts.digests])
        for texts in (part.held_out, part.learn)
    ]
    return context, labels[0], labels[1]


def run_shift(kit: Path, shift: str, given: argparse.Namespace) -> None:
    """Print the rows of one shift."""
    context, held_out, learn = context_of(kit, shift, given.network)
    source, strategies = context.shortlist[0], discover().strategies
    candidates, right = [], {}
    for number, name in enumerate(given.methods):
        strategy = strategies[name]
        info = TaskInfo(
            source, ScenarioKind.UNLABELLED, len(context.source.learn), len(context.class_names)
        )
        params: dict[str, ParamValue] = dict(strategy.space(info).defaults())
        if "learning_rate_multiplier" in params:
            params["learning_rate_multiplier"] = given.rate
        result = context.run(TrialSpec(number, source, strategy, params, 0, None))
        if result.predictor is None or result.validation is None:
            print(shift, name, result.outcome.reason or result.outcome.error)  # noqa: T201
            continue
        answers = result.validation.argmax(axis=1)
        said = result.predictor.predict(context.target.learn, context.readers[source])
        hits = np.concatenate([answers == held_out, said.argmax(axis=1) == learn])
        right[number] = 100 * hits.mean()
        scores: Mapping[str, float] = result.outcome.validators
        print(  # noqa: T201
            f"{shift} {given.network} {name}: {right[number]:.1f}  "
            f"mixval {scores.get('mixval', 0):.3f}  {result.outcome.seconds:.0f} s",
            flush=True,
        )
        candidates.append(
            Candidate(
                number=number,
                source=source.name,
                strategy=name,
                adapts=reads_target(strategy),
                priority=strategy.priority,
                optimises=strategy.optimises,
                scores=scores,
                answers=answers,
                fault=result.outcome.reason,
                shifts_source_features=strategy.shifts_source_features,
            )
        )
    if len(candidates) > 1:
        choice = decide(
            candidates, len(context.class_names), num_source=len(context.source.held_out)
        )
        chosen = choice.chosen
        print(f"{shift}: {chosen.strategy} is returned, {right[chosen.number]:.1f}")  # noqa: T201


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("--shifts", choices=SHIFTS, nargs="+", default=SHIFTS)
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=METHODS)
    parser.add_argument("--network", default="minilm_l6", help="folder in weights, or small")
    parser.add_argument("--rate", type=float, default=1.0, help="multiplies learning rates")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for shift in given.shifts:
        run_shift(given.kit, shift, given)


if __name__ == "__main__":
    main()
