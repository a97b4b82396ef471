from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from autotransfer.errors import InvalidOptionError, InvalidSourceError
from autotransfer.plugin.testing.tiny import tiny_source
from autotransfer.tracking.registered import register, with_registered
from autotransfer.tracking.store import embedded_uri


@pytest.fixture
def store(tmp_path: Path) -> MlflowClient:
    """A new store in SQLite, which is not the store of the process."""
    uri = embedded_uri(tmp_path)
    return MlflowClient(uri, uri)


def _logged(store: MlflowClient, experiment: str) -> tuple[str, str, str]:
    """Return the URI of a new logged model, its run, and its id."""
    run = store.create_run(experiment).info.run_id
    model_id = str(store.create_logged_model(experiment, "model", run).model_id)
    return f"models:/{model_id}", run, model_id


def test_the_new_version_is_the_champion_and_doing_it_again_changes_nothing(
    store: MlflowClient, tmp_path: Path
) -> None:
    experiment = store.create_experiment("any", (tmp_path / "files").as_uri())
    first, second = _logged(store, experiment), _logged(store, experiment)
    assert register(store, "plants", *first) == "1"
    assert register(store, "plants", *second) == "2"
    assert register(store, "plants", *first) == "1"
    assert len(store.search_model_versions("name = 'plants'")) == 2
    champion = store.get_model_version_by_alias("plants", "champion")
    assert (str(champion.version), champion.run_id) == ("2", second[1])
    assert champion.source == store.get_logged_model(second[2]).artifact_location


def test_what_is_no_registered_model_is_left_as_it_is(tmp_path: Path) -> None:
    for requested in (None, "tiny", ["tiny", tiny_source()], Path("c.toml"), tiny_source()):
        assert with_registered(requested, None, tmp_path) is requested


@pytest.mark.parametrize("text", ["models:/plants", "models:/plants@", "models:/a/b/c"])
def test_a_name_that_is_not_understood_shows_the_form(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSourceError, match="models:/NAME@champion"):
        with_registered(text, None, tmp_path)


def test_no_model_is_read_from_a_store_that_is_off(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="tracking_uri off"):
        with_registered("models:/plants@champion", "off", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_there_names_the_store(tmp_path: Path) -> None:
    MlflowClient(embedded_uri(tmp_path)).create_experiment("any")  # makes the database
    with pytest.raises(InvalidSourceError, match="cannot be had from MLflow at sqlite"):
        with_registered("models:/plants@champion", None, tmp_path)
