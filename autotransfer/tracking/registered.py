"""Models in an MLflow registry: putting one there, and taking one as a source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from autotransfer.data.atomic_files import written_whole
from autotransfer.errors import InvalidSourceError
from autotransfer.masking import masked_url
from autotransfer.models.catalogue.earlier_fit import PREDICTOR_FILE, source_of_selection
from autotransfer.models.feature_store import default_folder, made_private
from autotransfer.models.source import Source
from autotransfer.tracking.store import check_uri, open_client, patience, store_uri

CHAMPION = "champion"
_PREFIX = "models:/"
_NAMED = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+|latest))")
_KEPT = "registered"


def register(client: MlflowClient, name: str, model: str, run_id: str, model_id: str) -> str:
    """Return the version under which a run's model is registered, with the alias `champion`.

    Doing it again for the same run changes nothing.

    Args:
        client: Of the store.
        name: Name of the registered model; made where it is not there.
        model: URI of the model.
        run_id: The run that it came from.
        model_id: Its id as a logged model; empty where the store has no such thing.
    """
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    quoted = name.replace("'", "\\'")
    for known in client.search_model_versions(f"name = '{quoted}'"):
        if known.run_id == run_id:
            return str(known.version)
    # A database would look for `models:/ID` in the store of the process, not in its own.
    place = client.get_logged_model(model_id).artifact_location if model_id else model
    made = client.create_model_version(name, place, run_id, model_id=model_id or None)
    client.set_registered_model_alias(name, CHAMPION, made.version)
    return str(made.version)


def with_registered(requested: Any, tracking_uri: str | None, workspace: Path) -> Any:
    """Return what the user named as sources, registered models replaced by their networks.

    Args:
        requested: What `resolve_sources` takes, or `models:/NAME@ALIAS`, `models:/NAME/VERSION`.
        tracking_uri: As for a fit.
        workspace: As for a fit.

    Raises:
        InvalidSourceError: If there is no such model, or it is none of ours.
    """
    items = [requested] if isinstance(requested, str) else requested
    if not isinstance(items, Iterable) or isinstance(items, Source | Path):
        return requested
    items = list(items)
    if not any(isinstance(item, str) and item.startswith(_PREFIX) for item in items):
        return requested
    uri = store_uri(tracking_uri, workspace)
    return [
        _fetched(item, uri) if isinstance(item, str) and item.startswith(_PREFIX) else item
        for item in items
    ]


def _fetched(text: str, uri: str) -> Source:
    """Return a registered model as a source, downloaded once."""
    found = _NAMED.fullmatch(text)
    if found is None:
        raise InvalidSourceError(
            f"the source {text!r} is not understood; write models:/NAME@{CHAMPION} or "
            "models:/NAME/VERSION"
        )
    check_uri(uri)
    try:
        with patience():
            client = open_client(uri)
            version = _version(client, **found.groupdict())
            folder = _downloaded(client, version, uri)
    except (MlflowException, OSError, SQLAlchemyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidSourceError(
            f"the source {text!r} cannot be had from MLflow at {masked_url(uri)} ({reason}); "
            "register a model with fit --register NAME, or name the store with --tracking-uri"
        ) from error
    selections = sorted(path.parent for path in folder.rglob(PREDICTOR_FILE))
    if not selections:
        raise InvalidSourceError(
            f"{text} was not registered by autotransfer: it holds no selection"
        )
    return source_of_selection(selections[0], f"{version.name}-v{version.version}")


def _version(
    client: MlflowClient, name: str, alias: str | None, version: str | None
) -> ModelVersion:
    if alias is not None:
        return client.get_model_version_by_alias(name, alias)
    if version == "latest":
        return client.get_latest_versions(name)[0]
    return client.get_model_version(name, str(version))


def _downloaded(client: MlflowClient, version: ModelVersion, uri: str) -> Path:
    """Return the folder of a version in the user's cache."""
    told = (version.name, version.version, version.run_id, version.creation_timestamp)
    key = "|".join(map(str, (masked_url(uri), *told)))
    kept = made_private(default_folder() / _KEPT)
    place = kept / hashlib.sha256(key.encode()).hexdigest()[:32]
    if place.is_dir():
        return place
    with written_whole(place) as temporary:
        temporary.mkdir()
        mlflow.artifacts.download_artifacts(
            artifact_uri=client.get_model_version_download_uri(version.name, version.version),
            dst_path=str(temporary),
            tracking_uri=uri,
        )
    return place
