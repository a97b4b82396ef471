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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from autotransfer.data.image_set import ImageSet
from autotransfer.data.images.preprocessing import PixelStore
from autotransfer.data.target import open_target
from autotransfer.models.backbone import load_backbone
from autotransfer.models.feature_store import FeatureStore
from autotransfer.models.features import FeatureReaders
from autotransfer.models.source import Source, Untrained
from autotransfer.models.texts.folders import source_of_folder
from autotransfer.models.texts.hashed_words import small_text_source
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


@dataclass(frozen=True)
class Between:
    """Two domains, and the labels of the target that only this reads.

    Args:
        context: What all trials share.
        held_out: (m,) classes of the held-out target items.
        learn: (n,) classes of the learnt ones.
    """

    context: UnlabelledContext
    held_out: NDArray[np.int64]
    learn: NDArray[np.int64]


def between(labelled: ImageSet, asked: ImageSet, source: Source) -> Between:
    """Return the problem of labelled items and of others whose labels are hidden."""
    assert labelled.class_names == asked.class_names
    truth = dict(zip(asked.digests, asked.labels.tolist(), strict=True))
    part = divide_target(asked.without_labels())
    readers = FeatureReaders(FeatureStore(), PixelStore(1), load_backbone, torch.device("cpu"))
    context = UnlabelledContext(
        divide_source(labelled), part, asked.class_names, readers, (source,), 0
    )
    held_out, learn = (
        np.array([truth[digest] for digest in items.digests])
        for items in (part.held_out, part.learn)
    )
    return Between(context, held_out, learn)


def tried(
    problem: Between, methods: Sequence[str], rate: float = 1.0
) -> tuple[dict[str, tuple[float, float, float]], str | None]:
    """Return accuracy in percent, MixVal and seconds of each method, and which is returned.

    Args:
        problem: The domains.
        methods: Names of strategies, each tried at its default.
        rate: Multiplies learning rates.
    """
    context, strategies = problem.context, discover().strategies
    source = context.shortlist[0]
    candidates, found = [], dict[str, tuple[float, float, float]]()
    for number, name in enumerate(methods):
        strategy = strategies[name]
        info = TaskInfo(
            source, ScenarioKind.UNLABELLED, len(context.source.learn), len(context.class_names)
        )
        if strategy.trains is False and isinstance(source.weights, Untrained):
            continue
        params: dict[str, ParamValue] = dict(strategy.space(info).defaults())
        if "learning_rate_multiplier" in params:
            params["learning_rate_multiplier"] = rate
        result = context.run(TrialSpec(number, source, strategy, params, 0, None))
        if result.predictor is None or result.validation is None:
            print(name, result.outcome.reason or result.outcome.error)  # noqa: T201
            continue
        answers = result.validation.argmax(axis=1)
        said = result.predictor.predict(context.target.learn, context.readers[source])
        hits = np.concatenate([answers == problem.held_out, said.argmax(axis=1) == problem.learn])
        scores: Mapping[str, float] = result.outcome.validators
        right = 100 * float(hits.mean())
        found[name] = (right, scores.get("mixval", 0.0), result.outcome.seconds)
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
    if len(candidates) < 2:
        return found, None
    choice = decide(candidates, len(context.class_names), num_source=len(context.source.held_out))
    return found, choice.chosen.strategy


def run_shift(kit: Path, shift: str, given: argparse.Namespace) -> None:
    """Print the rows of one shift."""
    learnt, asked = (frame[["text", "label"]] for frame in domains(kit, shift))
    source = small_text_source()
    if given.network != "small":
        source = source_of_folder(kit / "weights" / given.network)
    problem = between(open_target(learnt).train, open_target(asked).train, source)
    found, choice = tried(problem, given.methods, given.rate)
    for name, (right, mixval, seconds) in found.items():
        print(  # noqa: T201
            f"{shift} {given.network} {name}: {right:.1f}  mixval {mixval:.3f}  {seconds:.0f} s",
            flush=True,
        )
    if choice is not None:
        print(f"{shift}: {choice} is returned, {found[choice][0]:.1f}")  # noqa: T201


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
