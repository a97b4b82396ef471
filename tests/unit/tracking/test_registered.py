from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from autotransfer.errors import InvalidSourceError
from autotransfer.testing.tiny import tiny_source
from autotransfer.tracking.registered import register, with_registered
from autotransfer.tracking.store import embedded_uri


class Registry:
    """The part of an MLflow registry that registering needs."""

    def __init__(self) -> None:
        self.models: set[str] = set()
        self.versions: list[Any] = []
        self.aliases: dict[tuple[str, str], str] = {}

    def create_registered_model(self, name: str) -> None:
        self.models.add(name)

    def search_model_versions(self, query: str) -> list[Any]:
        return [v for v in self.versions if query == f"name = '{v.name}'"]

    def create_model_version(
        self, name: str, source: str, run_id: str, model_id: str | None
    ) -> Any:
        version = str(len(self.versions) + 1)
        made = SimpleNamespace(
            name=name, source=source, run_id=run_id, model_id=model_id, version=version
        )
        self.versions.append(made)
        return made

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        self.aliases[name, alias] = version


def test_the_new_version_is_the_champion_and_doing_it_again_changes_nothing() -> None:
    store: Any = Registry()
    assert register(store, "plants", "models:/m-1", "run-1", "m-1") == "1"
    assert register(store, "plants", "models:/m-2", "run-2", "m-2") == "2"
    assert register(store, "plants", "models:/m-1", "run-1", "m-1") == "1"
    assert store.aliases == {("plants", "champion"): "2"}
    assert len(store.versions) == 2


def test_what_is_no_registered_model_is_left_as_it_is(tmp_path: Path) -> None:
    for requested in (None, "tiny", ["tiny", tiny_source()], Path("c.toml"), tiny_source()):
        assert with_registered(requested, None, tmp_path) is requested


@pytest.mark.parametrize("text", ["models:/plants", "models:/plants@", "models:/a/b/c"])
def test_a_name_that_is_not_understood_shows_the_form(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSourceError, match="models:/NAME@champion"):
        with_registered(text, None, tmp_path)


def test_a_model_that_is_not_there_names_the_store(tmp_path: Path) -> None:
    MlflowClient(embedded_uri(tmp_path)).create_experiment("any")  # makes the database
    with pytest.raises(InvalidSourceError, match="cannot be had from MLflow at sqlite"):
        with_registered("models:/plants@champion", None, tmp_path)
