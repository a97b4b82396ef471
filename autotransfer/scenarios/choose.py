"""Which setting a fit is in, told from the options and the target."""

from __future__ import annotations

from typing import Any

from autotransfer.data.target import open_unlabelled
from autotransfer.errors import AutotransferError, InvalidOptionError
from autotransfer.results import Setting
from autotransfer.scenarios.options import Options


def setting_of(target: Any, chosen: Options) -> Setting:
    """Return the setting: the one that is asked for, else unlabelled where there are no labels.

    Raises:
        InvalidOptionError: If there is no such setting.
    """
    if chosen.setting is not None:
        if chosen.setting not in list(Setting):
            raise InvalidOptionError(
                f"setting must be one of {', '.join(Setting)}, got {chosen.setting!r}"
            )
        return Setting(chosen.setting)
    if chosen.source_data is None or (isinstance(target, tuple) and len(target) == 2):
        return Setting.LABELLED  # a pair has its labels beside the pictures
    try:
        _, class_names, _, _ = open_unlabelled(target, on_bad_image="skip")
    except AutotransferError:
        return Setting.LABELLED  # whose own reading says what is wrong
    return Setting.LABELLED if class_names else Setting.UNLABELLED
