"""Which scenario a target is: told from the options and from whether it has labels."""

from __future__ import annotations

from typing import Any

from autotransfer.data.target import open_unlabelled
from autotransfer.errors import AutotransferError, InvalidOptionError
from autotransfer.results import Setting
from autotransfer.scenarios.base import Scenario
from autotransfer.scenarios.labelled import Labelled
from autotransfer.scenarios.options import Options, refuse_unusable
from autotransfer.scenarios.run import Request
from autotransfer.scenarios.unlabelled.scenario import Unlabelled
from autotransfer.scenarios.zero_shot.scenario import ZeroShot

SCENARIOS: dict[Setting, type[Labelled | Unlabelled]] = {
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


def kind_of(target: Any, options: Options) -> Setting:
    """Return how a target is posed: as asked for, else unlabelled where there are no labels.

    Raises:
        InvalidOptionError: If there is no such scenario, or the options contradict each other.
    """
    asked = options.setting
    if asked not in (None, *Setting):
        raise InvalidOptionError(f"setting must be one of {', '.join(Setting)}, got {asked!r}")
    if options.attributes is not None:
        if asked not in (None, Setting.DESCRIBED):
            raise InvalidOptionError(
                f"--attributes is for the setting described, not {asked}; leave out one of the two"
            )
        return Setting.DESCRIBED
    if asked == Setting.DESCRIBED:
        raise InvalidOptionError(
            "--setting described needs a table of attributes; give it with --attributes CSV"
        )
    if asked is not None:
        return Setting(asked)
    if options.source_data is None or (isinstance(target, tuple) and len(target) == 2):
        return Setting.LABELLED  # a pair has its labels beside the pictures
    try:
        _, class_names, _, _ = open_unlabelled(target, on_bad_image="skip")
    except AutotransferError:
        return Setting.LABELLED  # whose own reading says what is wrong
    return Setting.LABELLED if class_names else Setting.UNLABELLED
