"""What MLflow copies into a model and runs when the model is loaded; nothing is pickled.

All else is in the package, so a model that was logged before profits from what is fixed there.
"""

from mlflow.models import set_model

from autotransfer.selection.served_model import ServedSelection

set_model(ServedSelection())
