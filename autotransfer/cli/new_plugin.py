"""A new plugin package that passes its own tests: a place to begin."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from string import Template

from autotransfer.data.atomic_files import written_whole
from autotransfer.errors import InvalidOptionError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

_PROJECT = """\
[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "autotransfer-$name"
version = "0.1.0"
description = "The strategy $name for autotransfer"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["autotransfer>=0.1", "numpy>=2.0"]

[project.optional-dependencies]
test = ["pytest>=8.3"]

[project.entry-points.autotransfer]
$name = "$module"

[tool.hatch.build]
only-include = ["$module.py"]

[tool.pytest.ini_options]
pythonpath = ["."]
"""

_STRATEGY = '''\
"""The strategy `$name`: the class whose mean features are nearest. Put yours in its place."""

import numpy as np

from autotransfer.plugin import SearchSpace, Strategy, heads, hookimpl, parameters


class $kind(Strategy):
    name = "$name"
    trains = False  # it only reads cached features; True where it trains a network

    def space(self, task):
        """What is searched; `depth` is shared by all strategies: which stage is read, 0 to 1."""
        return SearchSpace.of(
            depth=parameters.depth(default=1.0),
            inverse_temperature=parameters.floating(0.1, 100.0, default=10.0, log=True),
        )

    def fit(self, task, trial):
        """Learn from task.train; the core scores what is returned on items not seen here."""
        stage = max(1, round(trial.params["depth"] * task.features.num_stages))
        features = task.features(task.train, stage).astype(float)  # (n, d), frozen and cached
        labels, classes = task.train.labels, range(len(task.class_names))
        means = np.stack([features[labels == k].mean(axis=0) for k in classes])  # (K, d)
        scale = 2 * trial.params["inverse_temperature"] / max(features.var(axis=0).sum(), 1e-9)
        # |x - m|^2 = |x|^2 - 2 x m + |m|^2, and |x|^2 is the same for every class
        head = heads.LinearHead(scale * means, -scale * (means**2).sum(axis=1) / 2)
        return heads.HeadPredictor(head, stage)  # a Predictor: predict(images, features), state()

    def restore(self, tensors, info, source):
        """The predictor whose `state()` this is; saved models come back through it."""
        return heads.restore_head(tensors, info)


@hookimpl
def autotransfer_strategies():
    return [$kind()]
'''

_TEST = '''\
import pytest
from $module import $kind

from autotransfer.plugin.testing import StrategyContract, Workbench


class Test$kind(StrategyContract):
    """Every promise that a strategy makes, on generated images."""

    @pytest.fixture
    def strategy(self):
        return $kind()


def test_it_learns_what_is_easy_to_learn(tmp_path):
    bench = Workbench($kind(), tmp_path)
    task = bench.task()
    found = bench.fit(task).predict(task.train, task.features)
    assert (found.argmax(axis=1) == task.train.labels).mean() > 0.8
'''

_README = """\
# autotransfer-$name

The strategy `$name` for autotransfer.

    pip install -e '.[test]'
    pytest
    autotransfer plugins --check $name
    autotransfer fit photos/ --strategy $name

Without installing it: `autotransfer plugins --plugin $module.py --check $name`.
"""


def write_plugin(name: str, parent: Path) -> Path:
    """Return the folder of a new package with one strategy, its contract tests and its metadata.

    Args:
        name: Of the strategy: small letters, digits and hyphens.
        parent: Where the folder `autotransfer-NAME` is made.

    Raises:
        InvalidOptionError: If the name cannot be one, or the folder is there or not to be made.
    """
    if not _NAME.fullmatch(name):
        raise InvalidOptionError(
            f"new {name!r}: the name of a strategy has small letters, digits and hyphens, such as "
            "nearest-mean"
        )
    folder, module = parent / f"autotransfer-{name}", f"autotransfer_{name.replace('-', '_')}"
    words = {"name": name, "module": module, "kind": name.title().replace("-", "")}
    files = {
        "pyproject.toml": _PROJECT,
        "README.md": _README,
        f"{module}.py": _STRATEGY,
        f"tests/test_{module}.py": _TEST,
    }
    try:
        if folder.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        with written_whole(folder) as new:
            (new / "tests").mkdir(parents=True)
            for path, text in files.items():
                (new / path).write_text(Template(text).substitute(words), encoding="utf-8")
    except OSError as error:
        raise InvalidOptionError(
            f"new {name!r}: the folder {folder} cannot be made ({error.strerror}); choose another "
            "name or place"
        ) from error
    return folder
