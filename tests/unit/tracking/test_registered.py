from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from autotransfer.errors import InvalidOptionError, InvalidSourceError
from autotransfer.plugin.testing.tiny import tiny_source
from autotransfer.tracking.logged_model import LoggedModel
from autotransfer.tracking.named_sources import named_sources
from autotransfer.tracking.places import embedded_uri
from autotransfer.tracking.registered import register
from autotransfer.tracking.registration import Promotion, Registration


@pytest.fixture
def store(tmp_path: Path, mlflow_tables: None) -> MlflowClient:
    """A new store in SQLite, which is not the store of the process."""
    uri = embedded_uri(tmp_path)
    return MlflowClient(uri, uri)


@pytest.fixture
def logged(store: MlflowClient, tmp_path: Path) -> Callable[[], tuple[LoggedModel, str]]:
    """A function that logs a model with something that looks like a selection, and its run."""
    experiment = store.create_experiment("any", (tmp_path / "files").as_uri())
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "predictor.json").write_text("{}")

    def log() -> tuple[LoggedModel, str]:
        run = store.create_run(experiment).info.run_id
        model_id = str(store.create_logged_model(experiment, "model", run).model_id)
        store.log_model_artifacts(model_id, str(tmp_path / "one"))
        return LoggedModel(f"models:/{model_id}", model_id), run

    return log


def _champion(store: MlflowClient) -> str:
    return str(store.get_model_version_by_alias("plants", "champion").version)


def test_the_first_version_is_champion_and_stays_where_nothing_compares(
    store: MlflowClient, logged: Callable[[], tuple[LoggedModel, str]]
) -> None:
    first, second = logged(), logged()
    told = register(store, Registration("plants"), *first)
    assert told == "plants version 1 is champion: there was none before"
    stays = register(store, Registration("plants"), *second)
    assert stays.startswith("plants version 2 is registered, version 1 stays champion: the images")
    again = Registration("plants", promote=True)
    assert register(store, again, *second) == stays  # decided once
    assert len(store.search_model_versions("name = 'plants'")) == 2
    champion = store.get_model_version_by_alias("plants", "champion")
    assert (str(champion.version), champion.run_id) == ("1", first[1])
    assert champion.source == store.get_logged_model(first[0].model_id).artifact_location
    assert store.get_model_version("plants", "1").tags["champion"] == told
    assert store.get_model_version("plants", "2").tags["champion"] == stays
    page = store.get_logged_model(second[0].model_id).tags["mlflow.modelVersions"]
    assert json.loads(page) == [{"name": "plants", "version": "2"}]  # once


@pytest.mark.parametrize("moves", [True, False])
def test_the_champion_moves_where_the_comparison_says_so(
    store: MlflowClient, logged: Callable[[], tuple[LoggedModel, str]], *, moves: bool
) -> None:
    compared = list[Path]()

    def contest(folder: Path) -> Promotion:
        compared.append(folder)
        return Promotion(moves, "as told")

    register(store, Registration("plants", contest=contest), *logged())
    assert compared == []  # nobody to compare the first with
    told = register(store, Registration("plants", contest=contest), *logged())
    (folder,) = compared
    assert (folder / "predictor.json").is_file()
    assert told.endswith("champion: as told")
    assert _champion(store) == ("2" if moves else "1")


def test_promoted_is_whatever_the_comparison_would_say(
    store: MlflowClient, logged: Callable[[], tuple[LoggedModel, str]]
) -> None:
    def contest(_folder: Path) -> Promotion:
        return Promotion(moves=False, reason="it is worse")

    register(store, Registration("plants"), *logged())
    told = register(store, Registration("plants", promote=True, contest=contest), *logged())
    assert "promote was given" in told
    assert _champion(store) == "2"


def test_a_champion_that_cannot_be_compared_stays(
    store: MlflowClient, logged: Callable[[], tuple[LoggedModel, str]]
) -> None:
    def contest(_folder: Path) -> Promotion:
        raise OSError("unreadable\nat line 3")

    register(store, Registration("plants"), *logged())
    told = register(store, Registration("plants", contest=contest), *logged())
    assert told.endswith("stays champion: it could not be compared (unreadable)")
    assert _champion(store) == "1"


def test_who_took_over_during_the_comparison_is_compared_with_as_well(
    store: MlflowClient, logged: Callable[[], tuple[LoggedModel, str]]
) -> None:
    compared = list[str]()

    def contest(_folder: Path) -> Promotion:
        compared.append(_champion(store))
        if len(compared) == 1:
            register(store, Registration("plants", promote=True), *logged())
        return Promotion(len(compared) == 1, "as told")

    register(store, Registration("plants"), *logged())
    late = logged()
    told = register(store, Registration("plants", contest=contest), *late)
    assert compared == ["1", "3"]
    assert told == "plants version 2 is registered, version 3 stays champion: as told"


def test_a_champion_whose_mark_was_not_kept_gets_it_later(
    store: MlflowClient,
    logged: Callable[[], tuple[LoggedModel, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(store, Registration("plants"), *logged())
    killed = logged()

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "set_model_version_tag", kill)
        with pytest.raises(KeyboardInterrupt):
            register(store, Registration("plants", promote=True), *killed)
    told = register(store, Registration("plants"), *killed)
    assert told.startswith("plants version 2 is champion: it was made so before")
    assert store.get_model_version("plants", "2").tags["champion"] == told


def test_what_is_no_registered_model_is_left_as_it_is(tmp_path: Path) -> None:
    for requested in (None, "tiny", ["tiny", tiny_source()], Path("c.toml"), tiny_source()):
        assert named_sources(requested, None, tmp_path) is requested


@pytest.mark.parametrize("text", ["models:/plants", "models:/plants@", "models:/a/b/c"])
def test_a_name_that_is_not_understood_shows_the_form(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSourceError, match="models:/NAME@champion"):
        named_sources(text, None, tmp_path)


def test_no_model_is_read_from_a_store_that_is_off(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="tracking_uri off"):
        named_sources("models:/plants@champion", "off", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_there_names_the_store(tmp_path: Path) -> None:
    MlflowClient(embedded_uri(tmp_path)).create_experiment("any")  # makes the database
    with pytest.raises(InvalidSourceError, match="cannot be had from MLflow at sqlite"):
        named_sources("models:/plants@champion", None, tmp_path)
