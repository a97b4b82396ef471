"""Minimax entropy: labelled source, few target labels, many unlabelled target images.

The prototypes of the classes move towards unlabelled images (they raise the entropy of their
predictions), the features move towards the prototypes (they lower it). FixMatch over it: certain
predictions become labels of strongly changed views.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from autotransfer.plugin import (
    Need,
    ParamValue,
    Predictor,
    SearchSpace,
    Task,
    TaskInfo,
    Trial,
    errors,
    networks,
    parameters,
    sources,
    training,
)
from autotransfer_adaptation.cosine import CosineHeaded, CosinePredictor
from autotransfer_adaptation.mcc import TEMPERATURE, class_confusion
from autotransfer_adaptation.reversal import reverse
from autotransfer_adaptation.three_sets import STRONG_VIEWS, ThreeSets, shared_source
from autotransfer_adaptation.two_domains import STATISTICS_IMAGES, common_space, planned, repeated
from autotransfer_fine_tune.modalities import READ
from autotransfer_fix_match import Aligned, pseudo_loss

ENTROPY_WEIGHT = 0.1  # Saito et al. 2019, section 4.1
HEAD_MULTIPLIER = 10.0  # of the prototypes over pretrained layers, as in the paper


class Mme(networks.NetworkStrategy):
    """Cross-entropy on both domains, and what unlabelled target images add to it.

    `alignment` is minimax entropy, or class confusion in its place; `alignment_weight` 0 and
    `pseudo_weight` 0 leave training on all labels of both domains, `pseudo_weight` is FixMatch
    over it, whose weak views are the images as they are. Classes are matched by name.

    References:
        Saito et al., Semi-supervised Domain Adaptation via Minimax Entropy, ICCV 2019,
        arXiv:1904.06487, equations 1 to 4; Sohn et al., FixMatch, NeurIPS 2020,
        arXiv:2001.07685, for the pseudo-labels; Jin et al., ECCV 2020, arXiv:1912.03699, for class
        confusion.
    """

    name = "mme"
    predictor = CosinePredictor
    needs = frozenset({Need.TARGET_LABELS, Need.SOURCE_IMAGES, Need.UNLABELLED_TARGET})
    modalities = READ
    on_request = READ - {sources.Modality.IMAGE}  # where nobody has measured what it pays

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        return common_space() + SearchSpace.of(
            alignment_weight=parameters.floating(0.0, 2.0, default=1.0),
            alignment=parameters.choice(
                ("minimax entropy", "class confusion"), default="minimax entropy"
            ).only_where(alignment_weight=()),
            pseudo_weight=parameters.floating(0.0, 2.0, default=0.0),
            threshold=parameters.floating(0.6, 0.99, default=0.95).only_where(pseudo_weight=()),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params = trial.params
        images = shared_source(task)
        fewest = min(len(images), len(task.needed_unlabelled(self.name)))
        headed, plan = planned(CosineHeaded, task, params, fewest, trial.seed)
        minimax = params["alignment"] == "minimax entropy" and float(params["alignment_weight"])
        if minimax and not any(p.requires_grad for p in headed.suffix.parameters()):
            raise errors.UndefinedScoreError(
                "minimax entropy needs features that learn, and behind the frozen stages nothing "
                "does; lower depth, or set alignment to class confusion"
            )
        sets = ThreeSets.of(
            task, images, plan.frozen, STRONG_VIEWS if float(params["pseudo_weight"]) else 0
        )
        statistics = networks.DomainStatistics(headed.suffix)
        untrained = isinstance(task.source.weights, sources.Untrained)

        def adapt() -> None:
            statistics.adapt(sets.plain, sets.source, plan.batch_size, STATISTICS_IMAGES)

        if not untrained:
            adapt()
            _start(headed, statistics, sets)

        def snapshot() -> Predictor:
            if not plan.keep:
                adapt()
            return CosinePredictor.of(headed, task.source, frozen=plan.frozen, layers=plan.layers)

        labels, order = repeated(task.train.labels, plan, trial.seed)
        training.train(
            headed,
            lambda positions, _: sets.labelled.batch(order[positions]),
            labels,
            plan.schedule(1.0 if untrained else HEAD_MULTIPLIER),
            seed=trial.seed,
            limits=training.Limits(trial.deadline),
            head=list(headed.head.parameters()),
            on_rung=lambda progress: trial.report(progress, snapshot()),
            objective=_objective(headed, sets, statistics, params, trial.seed),
        )
        return snapshot()


def adversarial_entropy(headed: CosineHeaded, features: Tensor) -> Tensor:
    """Return minus the mean entropy of predictions, in nats, with a reversal before them.

    Minimised, it raises the entropy by the prototypes and lowers it by the features.

    Args:
        headed: The network.
        features: (b, d) of unlabelled images, of length one.
    """
    shares = headed.classify(reverse(features, 1.0)).float().softmax(dim=1)
    return (shares * torch.log(shares + 1e-5)).sum(dim=1).mean()


def _start(headed: CosineHeaded, statistics: networks.DomainStatistics, sets: ThreeSets) -> None:
    """Begin from the class means of source images, and where there are any of the target's."""
    device = headed.head.weight.device
    with torch.no_grad(), statistics.other():
        shown = np.linspace(0, len(sets.source) - 1, min(len(sets.source), 500)).astype(np.int64)
        pieces = np.array_split(shown, -(-len(shown) // 32))
        rows = [headed.features(sets.source.batch(piece).to(device)) for piece in pieces]
    headed.start_from_means(
        torch.cat(rows), torch.from_numpy(sets.source_labels[shown]).to(device)
    )


def _objective(
    headed: CosineHeaded,
    sets: ThreeSets,
    statistics: networks.DomainStatistics,
    params: Mapping[str, ParamValue],
    seed: int,
) -> training.Objective:
    of_source = training.Cycle(len(sets.source), seed + 1)
    of_plain = training.Cycle(len(sets.plain), seed + 2)
    counts = np.bincount(sets.labels, minlength=headed.head.out_features)
    shares = torch.from_numpy(counts / counts.sum()).float().to(headed.head.weight.device)
    aligned = Aligned(shares)
    align = params["alignment"]
    align_weight, pseudo_weight = float(params["alignment_weight"]), float(params["pseudo_weight"])
    threshold = float(params["threshold"])

    def objective(step: training.Step) -> Tensor:
        size, device = len(step.inputs), step.inputs.device
        positions = of_source.next(size)
        with statistics.other():
            logits = headed(sets.source.batch(positions).to(device))
        labels = torch.from_numpy(sets.source_labels[positions]).to(device)
        loss = nn.functional.cross_entropy(logits, labels)
        positions = of_plain.next(size)
        plain = sets.plain.batch(positions).to(device)
        together = networks.put_together([step.inputs, plain])
        features = headed.features(together)  # labelled and unlabelled share batch statistics
        labelled, plain = features[:size], features[size:]
        loss = loss + nn.functional.cross_entropy(headed.classify(labelled), step.targets)
        if align_weight and align == "minimax entropy":
            loss = loss + ENTROPY_WEIGHT * align_weight * adversarial_entropy(headed, plain)
        elif align_weight:
            loss = loss + align_weight * class_confusion(headed.classify(plain), TEMPERATURE)
        if pseudo_weight:
            view = sets.strong[int(step.generator.integers(len(sets.strong)))]
            changed = headed(view.batch(positions).to(device)).float()
            certain = aligned(headed.classify(plain).detach().float().softmax(dim=1))
            loss = loss + pseudo_weight * pseudo_loss(changed, certain, threshold)
        return loss

    return objective
