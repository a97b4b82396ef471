"""Records to MLflow: one parent run for a fit, one child run for each trial.

MLflow takes seconds to import: `places`, `plan`, `projection` and `registration` do without it.
"""

from __future__ import annotations

import os

# MLflow reads this once, when it is imported: a fit calls nobody that the user did not name.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
