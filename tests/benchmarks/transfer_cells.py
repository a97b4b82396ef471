"""What closed forms say in one cell of the record: labelled images to learn from, others to judge.

A *member* is the probe of one stage of one source, as the project fits it: a ridge on centred
features of length one (feature extraction at its defaults); on the last stage the probe of the
fusions, which reads standardised features where these are clearly better. Its leave-one-out
probabilities are closed forms. *Rules* put members together; what they say out of fold is what the
leave-one-out probabilities become with weights that were chosen without the image, in five parts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import softmax

from autotransfer.models.heads.linear import unit_rows
from autotransfer.models.heads.ridge import HeldOutRidge, fit_ridge_held_out
from autotransfer.models.heads.unit_ridge import fit_unit_ridge
from autotransfer.models.metrics import SMALLEST_PROBABILITY, metric_named
from autotransfer.models.mixture_weights import mixture_weights
from autotransfer_feature_extraction import HEADS
from autotransfer_fusion.strategies import JOINT_SHARE, NEGLIGIBLE, PRIOR
from tests.benchmarks.stacking import stack, testable_items

PARTS = 5  # in which the weights of a rule are chosen without the images that judge it
WITH_JOINT = "mixture and joint probe"  # what the project's mixture of probes is
BEST = 3  # members of the mean of the best
ACCURACY, BALANCED, LOG_LOSS = map(metric_named, ("accuracy", "balanced_accuracy", "log_loss"))
PIXELS = ("hog", "raw")
NO_SOURCE = (*PIXELS, "untrained")  # read like sources, and none

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


class Key(NamedTuple):
    """What a row of a cell is about.

    Args:
        kind: "probe", or the name of a rule.
        source: Name of the source; "" for several or none.
        stage: The stage in 1..S; 0 where it is not one.
    """

    kind: str
    source: str = ""
    stage: int = 0


class Block(NamedTuple):
    """The features of one stage.

    Args:
        key: The probe that reads it.
        labelled: (n, d) of the labelled images.
        tested: (m, d) of the others.
        last: Whether it is the last stage of a source.
    """

    key: Key
    labelled: NDArray[np.float32]
    tested: NDArray[np.float32]
    last: bool

    def read(self) -> tuple[Array, Array]:
        """Return both centred and with rows of length one."""
        centre = self.labelled.mean(axis=0, dtype=np.float64)
        return unit_rows(self.labelled - centre), unit_rows(self.tested - centre)


@dataclass(frozen=True)
class Said:
    """What one row says.

    Args:
        answers: (m, K) probabilities of the tested images.
        held_out: (n, K) probabilities of the labelled images, by what has not seen them; None
            where there is no closed form.
        seconds: Wall time of learning and answering, that of members apart.
    """

    answers: Array
    held_out: Array | None
    seconds: float

    def scores(self, labels: Ints, truth: Ints) -> dict[str, float]:
        """Return the scores of a row; those out of fold are NaN where there are none.

        Args:
            labels: (n,) classes of the labelled images.
            truth: (m,) classes of the tested ones.
        """
        found = {f"true_{name}": value for name, value in scored(truth, self.answers).items()}
        testable = testable_items(labels)
        held_out = dict.fromkeys(("accuracy", "balanced", "log_loss"), np.nan)
        if self.held_out is not None and testable.any():
            held_out = scored(labels[testable], self.held_out[testable])
        return found | {f"out_of_fold_{name}": value for name, value in held_out.items()}


def scored(labels: Ints, probabilities: Array) -> dict[str, float]:
    """Return accuracy, balanced accuracy and log loss in nats."""
    return {
        "accuracy": ACCURACY.score(labels, probabilities),
        "balanced": BALANCED.score(labels, probabilities),
        "log_loss": -LOG_LOSS.score(labels, probabilities),
    }


@dataclass(frozen=True)
class Member:
    """A probe and what it says.

    Args:
        block: What it reads.
        said: Its probabilities.
        likely: (n,) leave-one-out probability of each labelled image's own class.
    """

    block: Block
    said: Said
    likely: Array

    @cached_property
    def products(self) -> tuple[Array, Array]:
        """Return the (n, n) Gram matrix of the rows that it reads, and (m, n) of the others."""
        labelled, tested = self.block.read()
        return labelled @ labelled.T, tested @ labelled.T

    @classmethod
    def of(cls, block: Block, labels: Ints, num_classes: int) -> Member:
        """Return the probe of a stage."""
        began = time.perf_counter()
        fit, answers = _probe(block, labels, num_classes)
        seconds = time.perf_counter() - began
        likely = fit.held_out[np.arange(len(labels)), labels]
        return cls(block, Said(answers, fit.held_out, seconds), likely)

    @property
    def held_out(self) -> Array:
        """Return the (n, K) leave-one-out probabilities."""
        assert self.said.held_out is not None
        return self.said.held_out

    def log_loss(self, rows: Ints) -> float:
        """Return the leave-one-out log loss of some of the labelled images."""
        return -float(np.log(np.maximum(self.likely[rows], SMALLEST_PROBABILITY)).mean())


def _probe(block: Block, labels: Ints, num_classes: int) -> tuple[HeldOutRidge, Array]:
    if block.last:
        fit, centre = fit_unit_ridge(block.labelled, labels, num_classes)
        rows = block.tested if centre is None else unit_rows(block.tested - centre)
        return fit, fit.head.probabilities(rows)
    labelled, tested = block.read()
    fit = fit_ridge_held_out(labelled, labels, num_classes, standardise=False)
    return fit, fit.head.probabilities(tested)


Weights = Callable[[Sequence[Member], Ints, Ints], tuple[list[int], Array]]


def plain(members: Sequence[Member], rows: Ints, labels: Ints) -> tuple[list[int], Array]:
    """Return all members at equal weights."""
    return list(range(len(members))), np.full(len(members), 1 / len(members))


def mixed(members: Sequence[Member], rows: Ints, labels: Ints) -> tuple[list[int], Array]:
    """Return all members with the weights of a mixture, negligible ones left out."""
    likely = np.stack([member.likely[rows] for member in members])
    weights = mixture_weights(likely, prior=PRIOR / len(members))
    weights[1:][weights[1:] < NEGLIGIBLE] = 0.0
    return list(range(len(members))), weights / weights.sum()


def with_joint(members: Sequence[Member], rows: Ints, labels: Ints) -> tuple[list[int], Array]:
    """Return the weights of the project's mixture, whose last member is the joint probe."""
    likely = np.stack([member.likely[rows] for member in members])
    own = np.full(len(members) - 1, (1 - JOINT_SHARE) / (len(members) - 1))
    weights = mixture_weights(likely, prior=PRIOR * np.append(own, JOINT_SHARE))
    weights[1:][weights[1:] < NEGLIGIBLE] = 0.0
    return list(range(len(members))), weights / weights.sum()


def best(members: Sequence[Member], rows: Ints, labels: Ints) -> tuple[list[int], Array]:
    """Return the members of least log loss at equal weights."""
    losses = [member.log_loss(rows) for member in members]
    chosen = [int(i) for i in np.argsort(losses, kind="stable")[:BEST]]
    return chosen, np.full(len(chosen), 1 / len(chosen))


def of_best_stages(inner: Weights) -> Weights:
    """Return the rule with the stage of least log loss of each source for a member."""

    def rule(members: Sequence[Member], rows: Ints, labels: Ints) -> tuple[list[int], Array]:
        chosen = best_stages(members, rows)
        places, weights = inner([members[i] for i in chosen], rows, labels)
        return [chosen[i] for i in places], weights

    return rule


def best_stages(members: Sequence[Member], rows: Ints) -> list[int]:
    """Return the place of the best member of each source, by the log loss of some images."""
    found: dict[str, int] = {}
    for place, member in enumerate(members):
        source = member.block.key.source
        kept = found.get(source)
        if kept is None or member.log_loss(rows) < members[kept].log_loss(rows):
            found[source] = place
    return list(found.values())


@dataclass(frozen=True)
class Cell:
    """What is learnt from and what judges.

    Args:
        labels: (n,) classes of the labelled images.
        num_classes: K.
        blocks: The stages of all sources, those of the default one first; what leaks apart.
        leaking: Stages of sources that learnt from these images.
        beside: What needs no source.
    """

    labels: Ints
    num_classes: int
    blocks: Sequence[Block]
    leaking: Sequence[Block] = ()
    beside: Sequence[Block] = ()

    def said(self, *, knobs: bool = True) -> Iterator[tuple[Key, Said]]:
        """Yield what every probe and every rule says.

        Args:
            knobs: Whether other ways to read the default source are tried as well.
        """
        members = [self._member(block) for block in self.blocks]
        for member in [*members, *(self._member(b) for b in (*self.leaking, *self.beside))]:
            yield member.block.key, member.said
        last = [member for member in members if member.block.last]
        yield Key("default probe"), last[0].said
        yield from self._weighted(last, members)
        yield Key("stacked, last stages"), self._stacked(last)
        yield from self._joined(last, members)
        yield Key("majority"), self._majority(len(last[0].said.answers))
        if knobs:
            yield from self._knobs()

    def _member(self, block: Block) -> Member:
        return Member.of(block, self.labels, self.num_classes)

    def _weighted(
        self, last: Sequence[Member], members: Sequence[Member]
    ) -> Iterator[tuple[Key, Said]]:
        rules: Mapping[str, tuple[Sequence[Member], Weights]] = {
            "plain mean": (last, plain),
            "mixture": (last, mixed),
            "mean, best stages": (members, of_best_stages(plain)),
            "mixture, best stages": (members, of_best_stages(mixed)),
            "mean, all stages": (members, plain),
            "mixture, all stages": (members, mixed),
            f"mean, best {BEST}": (members, best),
        }
        for name, (among, rule) in rules.items():
            yield Key(name), self._fused(among, rule)

    def _parts(self) -> Iterator[tuple[Ints, Ints]]:
        """Yield the testable images of the other parts, and all of one part: of every class."""
        testable = testable_items(self.labels)
        turn = np.zeros(len(self.labels), dtype=np.int64)
        for label in range(self.num_classes):
            members = np.flatnonzero(self.labels == label)
            turn[members] = np.arange(len(members)) + label
        for part in range(PARTS):
            own = turn % PARTS == part
            yield np.flatnonzero(~own & testable), np.flatnonzero(own)

    def _crossed(self, said: Callable[[Ints, Ints], Array]) -> Array:
        """Return (n, K): what is said of each part by what was chosen on the others."""
        found = np.full((len(self.labels), self.num_classes), 1 / self.num_classes)
        for others, own in self._parts():
            if len(others) and len(own):
                found[own] = said(others, own)
        return found

    def _fused(self, members: Sequence[Member], rule: Weights) -> Said:
        began = time.perf_counter()
        rows = np.flatnonzero(testable_items(self.labels))
        chosen, weights = rule(members, rows, self.labels)
        answers = _mean([members[i].said.answers for i in chosen], weights)
        seconds = time.perf_counter() - began

        def crossed(others: Ints, own: Ints) -> Array:
            places, shares = rule(members, others, self.labels)
            return _mean([members[i].held_out[own] for i in places], shares)

        return Said(answers, self._crossed(crossed), seconds)

    def _stacked(self, members: Sequence[Member]) -> Said:
        """Return the logits of all members, each with the factor of source stacking."""
        began = time.perf_counter()
        inside = _logits([member.held_out for member in members])
        _, factors = stack(inside, self.labels)
        outside = _logits([member.said.answers for member in members])
        answers = softmax(np.tensordot(factors, outside, axes=1), axis=1)
        seconds = time.perf_counter() - began

        def crossed(others: Ints, own: Ints) -> Array:
            _, found = stack(inside[:, others], self.labels[others])
            return np.asarray(softmax(np.tensordot(found, inside[:, own], axes=1), axis=1))

        return Said(answers, self._crossed(crossed), seconds)

    def _joined(
        self, last: Sequence[Member], members: Sequence[Member]
    ) -> Iterator[tuple[Key, Said]]:
        """Yield ridges on features side by side.

        Weights and stages have seen the image that is left out.
        """
        rows = np.flatnonzero(testable_items(self.labels))
        _, weights = mixed(last, rows, self.labels)
        own = [members[i] for i in best_stages(members, rows)]
        equal = np.ones(len(last))
        joint = self._ridge(last, np.sqrt(weights))
        yield Key("side by side, last stages"), self._ridge(last, equal)
        yield Key("side by side, best stages"), self._ridge(own, equal)
        yield Key("side by side, mixture weights"), joint
        yield Key(WITH_JOINT), self._fused([*last, self._joint(joint)], with_joint)

    def _joint(self, said: Said) -> Member:
        assert said.held_out is not None
        likely = said.held_out[np.arange(len(self.labels)), self.labels]
        return Member(self.blocks[0], said, likely)

    def _ridge(self, members: Sequence[Member], factors: Array) -> Said:
        """Return the ridge on the features of all members, each multiplied by its factor.

        It reads them in the n directions that the labelled rows span: a ridge sees no other.
        """
        began = time.perf_counter()
        gram, across = (
            np.einsum("s,sij->ij", np.square(factors), np.stack(parts))
            for parts in zip(*(member.products for member in members), strict=True)
        )
        values, vectors = linalg.eigh(gram)
        kept = values > len(gram) * np.finfo(float).eps * values[-1]
        axes = vectors[:, kept] / np.sqrt(values[kept])
        fit = fit_ridge_held_out(gram @ axes, self.labels, self.num_classes, standardise=False)
        answers = fit.head.probabilities(across @ axes)
        return Said(answers, fit.held_out, time.perf_counter() - began)

    def _majority(self, num_tested: int) -> Said:
        shares = np.bincount(self.labels, minlength=self.num_classes) / len(self.labels)
        return Said(np.tile(shares, (num_tested, 1)), None, 0.0)

    def _knobs(self) -> Iterator[tuple[Key, Said]]:
        """Yield feature extraction on the default source, one parameter changed at a time."""
        source = self.blocks[0].key.source
        own = [block for block in self.blocks if block.key.source == source]
        last = own[-1]
        for name in sorted(set(HEADS) - {"ridge"}):
            yield Key(f"head: {name}", source, last.key.stage), self._head(last, name)
        for name, standardise in (("none", False), ("standardise", True)):
            began = time.perf_counter()
            fit = fit_ridge_held_out(
                last.labelled, self.labels, self.num_classes, standardise=standardise
            )
            said = Said(
                fit.head.probabilities(last.tested), fit.held_out, time.perf_counter() - began
            )
            yield Key(f"normalisation: {name}", source, last.key.stage), said
        for name, taken in (("last two", own[-2:]), ("all", own)):
            stages = [self._member(block) for block in taken]
            yield Key(f"stages: {name}", source), self._ridge(stages, np.ones(len(stages)))

    def _head(self, block: Block, name: str) -> Said:
        began = time.perf_counter()
        labelled, tested = block.read()
        head = HEADS[name](
            labelled, self.labels, self.num_classes, regularisation=1.0, standardise=False
        )
        return Said(head.probabilities(tested), None, time.perf_counter() - began)


def _mean(parts: Sequence[Array], weights: Array) -> Array:
    found: Array = np.tensordot(weights, np.stack(parts), axes=1)
    return found


def _logits(parts: Sequence[Array]) -> Array:
    found: Array = np.log(np.maximum(np.stack(parts), SMALLEST_PROBABILITY))
    found -= found.mean(axis=2, keepdims=True)
    return found
