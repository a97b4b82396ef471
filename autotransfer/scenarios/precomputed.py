"""Features of several sources that were given: nothing is read, and no layer is trained."""

from __future__ import annotations

from collections.abc import Mapping

from numpy.typing import ArrayLike

from autotransfer.errors import InvalidTargetError
from autotransfer.models.metrics import metric_named
from autotransfer.models.precomputed_features import Matrices
from autotransfer.scenarios.inputs import problem_of_matrices
from autotransfer.scenarios.labelled import Labelled
from autotransfer.scenarios.run import Request


class Precomputed(Labelled):
    """A target with labels whose features were given."""

    title = "precomputed"

    @classmethod
    def of(
        cls,
        features: Mapping[str, ArrayLike],
        y: ArrayLike,
        test: tuple[Mapping[str, ArrayLike], ArrayLike] | None,
        baseline: str | None,
        request: Request,
    ) -> Precomputed:
        """Return the scenario of features by the name of their source.

        Args:
            features: (n, d) features of the same n items.
            y: (n,) labels.
            test: Features and labels of held-out items; None where there are none.
            baseline: Name of the matrix that uses no source.
            request: What was asked for.

        Raises:
            AutotransferError: If matrices or options cannot be used.
        """
        metric_named(request.options.metric)
        given: object = test  # from anybody
        if test is not None and not (isinstance(given, tuple | list) and len(given) == 2):
            raise InvalidTargetError(
                "test must be two parts: the matrices by the name of their source, and labels"
            )
        train = Matrices.of(features, y)
        if train.labels is None:
            raise InvalidTargetError("the feature matrices come without labels; give one a row")
        held_out = None if test is None else Matrices.of(*test, train.class_names)
        if held_out is not None:
            _refuse_other(train, held_out)
        problem = problem_of_matrices(train, held_out, baseline, request.options)
        return cls(problem, request)


def _refuse_other(train: Matrices, test: Matrices) -> None:
    """Refuse matrices of test items that are not those of the items to learn from."""
    if test.labels is None:
        raise InvalidTargetError("the test matrices come without labels; give one a row")
    wanted, found = (
        {name: x.shape[1] for name, x in part.by_source.items()} for part in (train, test)
    )
    if found.keys() != wanted.keys():
        raise InvalidTargetError(
            f"test has the matrices {', '.join(found)}, and to learn from there are "
            f"{', '.join(wanted)}; both need the same ones"
        )
    for name, columns in wanted.items():
        if found[name] != columns:
            raise InvalidTargetError(
                f"test: the matrix {name!r} has {found[name]} columns, and {columns} to learn "
                "from; both need the same"
            )
