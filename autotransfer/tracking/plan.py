"""How the run of a fit is opened in MLflow, kept with its study, without importing MLflow."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from autotransfer.errors import InvalidOptionError
from autotransfer.masking import HIDDEN, masked_url
from autotransfer.search.study import Study
from autotransfer.tracking.places import VARIABLE
from autotransfer.tracking.registration import Registration

PLAN = "tracking"
INTERRUPTED = "interrupted"  # whether the result that is saved was kept before it could be tested


@dataclass(frozen=True)
class TrackingPlan:
    """Where the records of a fit go, and how its run is opened; kept with the study.

    Args:
        uri: Tracking URI without its secrets; None is that of the environment or of the workspace.
        register: Name under which the result is registered; None registers nothing.
        promote: Whether it then becomes the champion, whatever the champion is.
    """

    uri: str | None
    experiment: str
    folder: str
    params: dict[str, Any]
    tags: dict[str, str]
    register: str | None = None
    promote: bool = False

    @property
    def registration(self) -> Registration | None:
        """Return how the result is registered where its items are not at hand."""
        return None if self.register is None else Registration(self.register, self.promote)

    def keep(self, study: Study) -> None:
        """Keep the plan with the study, without the secrets of the URI."""
        uri = None if self.uri is None else masked_url(self.uri)
        study.remember(PLAN, {**asdict(self), "uri": uri})


def tracking_uri_of(study: Study, given: str | None) -> str | None:
    """Return where the records of a study go: the given URI, or the one that its fit was given.

    A password is never kept. What earlier versions kept in clear text is used once and hidden.

    Raises:
        InvalidOptionError: If the URI had a password, and is not named again.
    """
    kept = study.recall(PLAN)
    uri = None if kept is None else kept["uri"]
    hidden = None if uri is None else masked_url(uri)
    if uri != hidden:
        TrackingPlan(**kept).keep(study)
    if given is not None or hidden is None:
        return given
    if HIDDEN not in hidden or uri != hidden:
        return str(uri)
    if VARIABLE in os.environ:
        return None
    raise InvalidOptionError(
        f"the runs of this study are in {hidden}, whose password is not kept: name the store "
        f"again with --tracking-uri or in {VARIABLE}, or write nothing with --tracking-uri off"
    )
