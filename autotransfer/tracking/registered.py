"""Models in an MLflow registry: putting one there, and taking one as a source."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS
from sqlalchemy.exc import SQLAlchemyError

from autotransfer.data.atomic_files import written_whole
from autotransfer.errors import InvalidSourceError
from autotransfer.masking import masked, masked_url
from autotransfer.models.catalogue.earlier_fit import PREDICTOR_FILE, source_of_selection
from autotransfer.models.feature_store import default_folder, made_private
from autotransfer.models.source import Source
from autotransfer.tracking.logged_model import LoggedModel
from autotransfer.tracking.places import check_uri
from autotransfer.tracking.registration import Promotion, Registration
from autotransfer.tracking.store import open_client, patience

CHAMPION = "champion"
_NAMED = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+|latest))")
_KEPT = "registered"


def register(client: MlflowClient, wanted: Registration, model: LoggedModel, run_id: str) -> str:
    """Register the model of a run, decide once who is the champion, and return that in words.

    Doing it again for the same run changes nothing.

    Args:
        client: Of the store.
        wanted: The name, and what decides.
        model: What was logged.
        run_id: The run that it came from.
    """
    name = wanted.name
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    quoted = name.replace("'", "\\'")
    known = client.search_model_versions(f"name = '{quoted}'")
    of_run = (version for version in known if version.run_id == run_id)
    made = next((v for v in of_run if (v.model_id or "") in ("", model.model_id)), None)
    if made is None:
        # A database would look for `models:/ID` in the store of the process, not in its own.
        logged = client.get_logged_model(model.model_id) if model.model_id else None
        place = logged.artifact_location if logged else model.uri
        made = client.create_model_version(name, place, run_id, model_id=model.model_id or None)
    version, told = str(made.version), made.tags.get(CHAMPION)
    if model.model_id:
        _link(client, model.model_id, name, version)
    if told is None:
        told = f"{name} version {version} {_decided(client, wanted, version)}"
        client.set_model_version_tag(name, version, CHAMPION, told)
    return str(told)


def _link(client: MlflowClient, model_id: str, name: str, version: str) -> None:
    """Tell the page of a logged model under which name it is registered, as MLflow's API does."""
    known = json.loads(client.get_logged_model(model_id).tags.get(MLFLOW_MODEL_VERSIONS, "[]"))
    mine = {"name": name, "version": version}
    if mine not in known:
        client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps([*known, mine])})


def _decided(client: MlflowClient, wanted: Registration, version: str) -> str:
    """Make a version the champion where it is to be, and return who is, and why.

    MLflow has no way to move an alias only where nobody else has: it is looked at before and
    after. The reason is kept last, so that after a kill the version is looked at once more.
    """
    champion = _champion(client, wanted.name)
    while champion != version:
        found = _promotion(client, wanted, champion)
        before, champion = champion, _champion(client, wanted.name)
        if champion != before:  # another fit was faster: compared with its version
            continue
        if found.moves:
            client.set_registered_model_alias(wanted.name, CHAMPION, version)
            champion = _champion(client, wanted.name)
        if champion == version:
            return f"is {CHAMPION}: {found.reason}"
        reason = "another fit took over at the same time" if found.moves else found.reason
        return f"is registered, version {champion} stays {CHAMPION}: {reason}"
    return f"is {CHAMPION}: it was made so before the reason could be kept"


def _champion(client: MlflowClient, name: str) -> str | None:
    """Return the version that is the champion; None where none is."""
    found = client.get_registered_model(name).aliases.get(CHAMPION)
    return None if found is None else str(found)


def _promotion(client: MlflowClient, wanted: Registration, champion: str | None) -> Promotion:
    """Return whether a new version takes the place of the champion's."""
    if champion is None:
        return Promotion(moves=True, reason="there was none before")
    if wanted.promote:
        return Promotion(moves=True, reason=f"promote was given, in place of version {champion}")
    if wanted.contest is None:
        return Promotion(moves=False, reason=wanted.without)
    try:
        version = client.get_model_version(wanted.name, champion)
        return wanted.contest(_selection_in(_downloaded(client, version)))
    except Exception as error:  # noqa: BLE001 - a model of anybody's
        reason = masked((str(error).splitlines() or [type(error).__name__])[0])[:300]
        return Promotion(moves=False, reason=f"it could not be compared ({reason})")


def fetched(text: str, uri: str) -> Source:
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
            folder = _downloaded(client, version)
    except (MlflowException, OSError, SQLAlchemyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidSourceError(
            f"the source {text!r} cannot be had from MLflow at {masked_url(uri)} ({reason}); "
            "register a model with fit --register NAME, or name the store with --tracking-uri"
        ) from error
    return source_of_selection(_selection_in(folder), f"{version.name}-v{version.version}")


def _selection_in(folder: Path) -> Path:
    """Return the folder of the selection in a registered model.

    Raises:
        InvalidSourceError: If there is none.
    """
    selections = sorted(path.parent for path in folder.rglob(PREDICTOR_FILE))
    if not selections:
        raise InvalidSourceError("it was not registered by autotransfer: it holds no selection")
    return selections[0]


def _version(
    client: MlflowClient, name: str, alias: str | None, version: str | None
) -> ModelVersion:
    if alias is not None:
        return client.get_model_version_by_alias(name, alias)
    if version == "latest":
        return client.get_latest_versions(name)[0]
    return client.get_model_version(name, str(version))


def _downloaded(client: MlflowClient, version: ModelVersion) -> Path:
    """Return the folder of a version in the user's cache."""
    uri = client.tracking_uri
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
