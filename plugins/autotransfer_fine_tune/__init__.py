"""Fine-tune depth: which stages are copied, which stay frozen, which learn, and what is kept.

The output of the frozen stages is computed once for each image and view of it, so a step costs
only the part that learns. By default the head starts from the ridge probe on the same features:
linear probing, then fine-tuning, keeps the first steps from distorting the features (Kumar et
al., ICLR 2022). Ways to conserve the source are choices, `none` among them.
"""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import override

from autotransfer.plugin import (
    Need,
    ParamValue,
    Predictor,
    SearchSpace,
    Strategy,
    Task,
    TaskInfo,
    Trial,
    hookimpl,
    networks,
    parameters,
    sources,
    training,
)
from autotransfer_fine_tune.batches import Batches
from autotransfer_fine_tune.keeping import WayBack, conserved, objective
from autotransfer_fine_tune.learning import Trained, learner
from autotransfer_fine_tune.modalities import READ, terms_of
from autotransfer_fine_tune.plan import TUNED, Plan, prepared

WEIGHT_DECAY = {"adamw": 1e-2, "sgd": 1e-3}


class FineTune(networks.NetworkStrategy):
    """Copy stages, freeze the first, tune the others with AdamW or SGD.

    The schedule runs to its end, or to where the core prunes the trial at a rung. There is no
    other early stopping: it would need images that were not learnt from, and those are the
    core's. How long to train is the parameter `epochs`.
    """

    name = "fine-tune"
    needs = frozenset({Need.TARGET_LABELS})
    modalities = READ
    on_request = frozenset({sources.Modality.SOUND})  # within a minute it pays nothing there
    least_per_class = 5  # below, a probe and the choice of its stage are all that labels can pay

    @override
    def space(self, task: TaskInfo) -> SearchSpace:
        terms = terms_of(task.source)
        return parameters.training_space(
            default_depth=0.7,
            epochs=parameters.integer(3, 30, default=8, log=True),
            augmentation=parameters.choice(terms.augmentations, default="none"),
            warm_start=parameters.choice(("probe", "none"), default="probe"),
            head_multiplier=parameters.choice((1.0, 3.0, 10.0), default=1.0),
            window=parameters.choice(("to the end", "one stage"), default="to the end"),
            copied=parameters.floating(0.0, 1.0, default=1.0),
            tuned=parameters.choice(TUNED, default="all"),
            layer_decay=parameters.floating(0.5, 1.0, default=1.0),
            optimiser=parameters.choice(("adamw", "sgd"), default="adamw"),
            label_smoothing=parameters.choice((0.0, 0.1), default=0.0),
            mixup=parameters.choice(terms.mixup, default=False),
            conservation=parameters.choice(terms.conservation, default="none"),
            conservation_strength=parameters.floating(
                0.01, 100.0, default=1.0, log=True
            ).only_where(conservation=terms.conservation[1:]),
            back_to_source=parameters.floating(0.0, 1.0, default=0.0),
        )

    @override
    def fit(self, task: Task, trial: Trial) -> Predictor:
        params, backbone = trial.params, task.backbone()
        plan, network = prepared(task, backbone, params, trial.seed)
        rate = terms_of(task.source).learning_rates[str(params["optimiser"])]
        learns = learner(network, plan, float(params["layer_decay"]), trial.seed)
        kept = conserved(task, backbone, learns, plan, params, learning_rate=rate)
        back = WayBack(task, network, plan, float(params["back_to_source"]))

        def snapshot() -> Predictor:
            return networks.NetworkPredictor.of(
                network, task.source, frozen=plan.frozen, layers=plan.layers
            )

        def show(progress: float) -> None:
            with learns.merged(), back.gone():
                trial.report(progress, snapshot())

        with kept.watched:
            training.train(
                Trained(learns.network, kept.beside),
                Batches(task, plan.frozen, str(params["augmentation"])),
                task.train.labels,
                _schedule(params, plan, task),
                seed=trial.seed,
                limits=training.Limits(trial.deadline),
                head=[*network.head.parameters(), *kept.beside.parameters()],
                on_rung=show,
                objective=objective(learns.network, params, kept.penalty),
                after_step=kept.after_step,
                rate_of=lambda name: learns.rate_of(name.removeprefix("network.")),
                decay_of=lambda name: kept.decay_of(name.removeprefix("network.")),
            )
        learns.merge()
        back.go()
        return snapshot()


def _schedule(params: Mapping[str, ParamValue], plan: Plan, task: Task) -> training.Schedule:
    """Return the schedule; batch norm keeps its statistics where every layer was pretrained."""
    untrained = isinstance(task.source.weights, sources.Untrained)
    pretrained = plan.copied == plan.num_stages and not untrained
    optimiser = str(params["optimiser"])
    return training.Schedule(
        epochs=int(params["epochs"]),
        learning_rate=terms_of(task.source).learning_rates[optimiser]
        * float(params["learning_rate_multiplier"]),
        head_multiplier=float(params["head_multiplier"]),
        weight_decay=WEIGHT_DECAY[optimiser] * float(params["regularisation"]),
        optimiser=optimiser,
        keep_batch_statistics=training.keeps_batch_statistics(
            len(task.train), pretrained=pretrained
        ),
    )


@hookimpl
def autotransfer_strategies() -> list[Strategy]:
    """Offer the strategy."""
    return [FineTune()]
