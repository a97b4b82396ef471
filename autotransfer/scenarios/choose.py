"""Which scenario a target is: told from the options and from whether it has labels."""

from __future__ import annotations

from typing import Any

from autotransfer.data.target import open_unlabelled
from autotransfer.errors import AutotransferError, InvalidOptionError
from autotransfer.results import ScenarioKind
from autotransfer.scenarios.base import Scenario
from autotransfer.scenarios.labelled import Labelled
from autotransfer.scenarios.options import Options, asked_modality, refuse_unusable
from autotransfer.scenarios.run import Request
from autotransfer.scenarios.unlabelled.scenario import Unlabelled
from autotransfer.scenarios.zero_shot.scenario import ZeroShot

SCENARIOS: dict[ScenarioKind, type[Labelled | Unlabelled]] = {
    scenario.kind: scenario for scenario in (Labelled, Unlabelled, ZeroShot)
}


def scenario_of(target: Any, request: Request) -> Scenario[Any, Any]:
    """Return the opened scenario of a target.

    Args:
        target: As for `fit`.
        request: What was asked for.

    Raises:
        AutotransferError: If target or sources cannot be used, or an option has no meaning for
            such a target.
    """
    kind = kind_of(target, request.options)
    refuse_unusable(request.options, kind)
    return SCENARIOS[kind].open(target, request)


def kind_of(target: Any, options: Options) -> ScenarioKind:
    """Return how a target is posed: as asked for, else unlabelled where there are no labels.

    Raises:
        InvalidOptionError: If there is no such scenario, or the options contradict each other.
    """
    asked = options.scenario
    if asked not in (None, *ScenarioKind):
        renamed = "; described is now zero-shot" if asked == "described" else ""
        raise InvalidOptionError(
            f"scenario must be one of {', '.join(ScenarioKind)}, got {asked!r}{renamed}"
        )
    if _tells_classes(options):
        return ScenarioKind.ZERO_SHOT
    if asked == ScenarioKind.ZERO_SHOT:
        raise InvalidOptionError(
            "--scenario zero-shot needs a table of classes; give it with --attributes CSV or "
            "--descriptions CSV"
        )
    if asked is not None:
        return ScenarioKind(asked)
    if options.source_data is None or (isinstance(target, tuple) and len(target) == 2):
        return ScenarioKind.LABELLED  # a pair has its labels beside the images
    try:
        _, class_names, _, _ = open_unlabelled(
            target, on_bad_image="skip", modality=asked_modality(options)
        )
    except AutotransferError:
        return ScenarioKind.LABELLED  # whose own reading says what is wrong
    return ScenarioKind.LABELLED if class_names else ScenarioKind.UNLABELLED


def _tells_classes(options: Options) -> bool:
    """Return whether a table of classes is given.

    Raises:
        InvalidOptionError: If there are two, or another scenario is asked for.
    """
    told = [name for name in ("attributes", "descriptions") if getattr(options, name) is not None]
    if len(told) > 1:
        raise InvalidOptionError(
            "--descriptions cannot be used beside --attributes: either tells the classes apart; "
            "leave out one of the two"
        )
    if told and options.scenario not in (None, ScenarioKind.ZERO_SHOT):
        raise InvalidOptionError(
            f"--{told[0]} is for the scenario {ScenarioKind.ZERO_SHOT}, not {options.scenario}; "
            "leave out one of the two"
        )
    return bool(told)
