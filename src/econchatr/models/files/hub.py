"""Ask the model hub: the small files of a base first, its weights only when those fit.

What was downloaded once lies in the hub's own cache and is taken from there; the hub is not asked again, so a base
stays what it was. Every failure is one line that says what to do.
"""

from __future__ import annotations

import errno
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from econchatr.errors import ModelError, ShowFolderError
from econchatr.models.files.description import read_fit_config, refuse_files, refuse_large_vocabulary
from econchatr.tables import hash_file

_SMALL = ["*.json", "*.jinja", "README.md"]
_WEIGHTS = ["model*.safetensors", "model*.json"]
_BELOW = ["*/*"]
"""Folders inside a model hold the same weights in other forms."""
_PROBE_SECONDS = 10.0
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
_ETAG = re.compile(r"[0-9A-Za-z-]{8,80}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_INSTEAD = "Go online once, or give `embedded`, a .gguf file or a checkpoint folder."


class HubName(NamedTuple):
    """A model of the hub as show.toml names it: `owner/model`, or `owner/model@revision`."""

    model_id: str
    revision: str
    """A commit, a tag or a branch; `main` where none is named."""


def read_hub_name(base: str) -> HubName | None:
    """Take a base's name apart; `None`: it is no name on the hub."""
    model_id, _, revision = base.partition("@")
    owner, slash, model = model_id.partition("/")
    if not (owner and slash and model) or "/" in model or base.startswith((".", "~")):
        return None
    return HubName(model_id, revision or "main")


def read_commit(folder: Path) -> str:
    """The commit of a folder in the hub's cache; empty for any other folder."""
    return folder.name if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name) else ""


def find_small_files(name: HubName) -> Path | None:
    """The folder of a model's small files where they were downloaded before; no network is asked."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = [
            try_to_load_from_cache(name.model_id, file, revision=name.revision)
            for file in ("config.json", "tokenizer.json")
        ]
    except ValueError:  # no possible name of a model
        return None
    return Path(found[0]).parent if all(isinstance(path, str) for path in found) else None


def fetch_small_files(name: HubName) -> Path:
    """The folder of a model's small files, downloaded where they are not here; config.json comes first and alone.

    Raises:
        ModelError: The hub does not answer or does not give the model, or the model cannot be trained here.
    """
    if folder := find_small_files(name):
        return folder
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    told = name.model_id
    with _in_one_line(name):
        if os.environ.get("HF_HUB_OFFLINE") != "1" and not _reaches_hub(_PROBE_SECONDS):
            raise _unreachable(name)
        config_path = Path(hf_hub_download(name.model_id, "config.json", revision=name.revision))
        config = read_fit_config(config_path.parent, name=told)
        commit = config_path.parent.name
        tree = HfApi().list_repo_tree(name.model_id, revision=commit)
        refuse_files((entry.path for entry in tree), name=told)
        folder = Path(snapshot_download(name.model_id, revision=commit, allow_patterns=_SMALL, ignore_patterns=_BELOW))
    refuse_large_vocabulary(folder, config, name=told)
    return folder


def fetch_checkpoint(name: HubName) -> Path:
    """The folder of a model's checkpoint; a download that broke off goes on where it stopped.

    Raises:
        ModelError: The hub does not answer or does not give the model, or the model cannot be trained here.
    """
    folder = fetch_small_files(name)
    if has_weights(folder):
        return folder
    from huggingface_hub import snapshot_download

    with _in_one_line(name):
        for file in _list_weights(name, folder.name):
            _fetch_weights(name, folder.name, file)
        got = snapshot_download(
            name.model_id, revision=folder.name, allow_patterns=[*_SMALL, *_WEIGHTS], ignore_patterns=_BELOW
        )
    return Path(got)


def fetch_if_near(name: HubName, *, seconds: float) -> Path | None:
    """The same, but `None` where the hub does not answer within the time or does not give the model."""
    folder = find_small_files(name)
    if folder and has_weights(folder):
        return folder
    if os.environ.get("HF_HUB_OFFLINE") == "1" or not _reaches_hub(seconds, model_id=name.model_id):
        return None
    try:
        return fetch_checkpoint(name)
    except ModelError:
        return None


def has_weights(folder: Path) -> bool:
    """Whether every file of a checkpoint's weights is there."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return any(folder.glob("model*.safetensors"))
    try:
        files = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False
    return all((folder / str(file)).is_file() for file in files)


def _list_weights(name: HubName, commit: str) -> list[str]:
    from huggingface_hub import HfApi

    tree = [entry.path for entry in HfApi().list_repo_tree(name.model_id, revision=commit)]
    return sorted(path for path in tree if path.startswith("model") and path.endswith(".safetensors"))


def _fetch_weights(name: HubName, commit: str, file: str) -> None:
    """Download one file of weights to where the hub's client looks for it, from where an earlier try was broken off.

    The client itself goes on after a broken line, but begins anew in another process: hours, for a large base.

    Raises:
        ModelError: What came is not what the hub said it would be.
    """
    from filelock import FileLock
    from huggingface_hub import constants, file_download, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    told, headers = get_hf_file_metadata(hf_hub_url(name.model_id, file, revision=commit)), build_hf_headers()
    if not told.etag or not told.size or not _ETAG.fullmatch(told.etag):
        return  # the client may know what to do
    if urlsplit(told.location).netloc != urlsplit(constants.ENDPOINT).netloc:
        headers.pop("authorization", None)
    folder = file_download.repo_folder_name(repo_id=name.model_id, repo_type="model")
    blob = Path(constants.HF_HUB_CACHE) / folder / "blobs" / told.etag
    part = blob.with_name(f"{blob.name}.part")
    with FileLock(f"{part}.lock"):
        if blob.exists():
            return
        with part.open("ab"), part.open("r+b") as opened:
            start = opened.seek(0, os.SEEK_END)
            if start < told.size:
                file_download.http_get(
                    told.location, opened, resume_size=start, headers=headers, expected_size=told.size
                )
        # Of large files the hub's tag is the hash.
        if part.stat().st_size != told.size or (len(told.etag) == 64 and hash_file(part) != told.etag):
            part.unlink()
            raise ModelError(f"{name.model_id}: {file} came damaged.", hint="Run again.")
        part.replace(blob)


def _reaches_hub(seconds: float, *, model_id: str = "") -> bool:
    """Whether the hub answers within the time, name look-up and all: a dead proxy may hang for minutes.

    Args:
        model_id: Only an answer that gives this model's config.json counts; empty: any answer.
    """
    from huggingface_hub import constants

    def probe() -> bool:
        place = f"{model_id}/resolve/main/config.json" if model_id else ""
        request = urllib.request.Request(f"{constants.ENDPOINT}/{place}", method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return int(response.status) == HTTPStatus.OK
        except urllib.error.HTTPError:
            return not model_id

    pool = ThreadPoolExecutor(max_workers=1)
    try:
        return pool.submit(probe).result(timeout=seconds)
    except (TimeoutError, OSError, ValueError):
        return False
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _unreachable(name: HubName) -> ModelError:
    return ModelError(f"{name.model_id}: is not on this machine, and the model hub does not answer.", hint=_INSTEAD)


@contextmanager
def _in_one_line(name: HubName) -> Iterator[None]:
    """Turn what the hub's client raises into one line; its own texts may hold addresses of many lines."""
    from huggingface_hub import errors

    # The hub client passes its HTTP library's errors on, and changes that library from version to version.
    network_error: type[Exception] = getattr(errors, "HTTPError", OSError)
    page = f"https://huggingface.co/{name.model_id}"
    try:
        yield
    except ModelError:
        raise
    except errors.GatedRepoError as exc:
        hint = f"Accept them at {page}, then `hf auth login`, or set HF_TOKEN."
        raise ModelError(f"{name.model_id}: its makers want their terms accepted first.", hint=hint) from exc
    except errors.RevisionNotFoundError as exc:
        raise ModelError(f"{name.model_id}: has no revision {name.revision!r}.", hint=f"Look at {page}.") from exc
    except errors.RepositoryNotFoundError as exc:
        hint = f"Look at the name at {page}; for a private model, `hf auth login`."
        raise ModelError(f"{name.model_id}: the model hub knows no such model.", hint=hint) from exc
    except errors.RemoteEntryNotFoundError as exc:
        raise ModelError(f"{name.model_id}: has no config.json, so it is no checkpoint.", hint=f"See {page}.") from exc
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as exc:
        raise _unreachable(name) from exc
    except (network_error, OSError, ValueError) as exc:
        if getattr(exc, "errno", None) in _DISK:
            message = f"cannot write {exc.filename or 'the cache of the model hub'}: {exc.strerror}."  # type: ignore[attr-defined]
            raise ShowFolderError(message, hint="Free some space, or set HF_HOME to another folder.") from exc
        status = getattr(getattr(exc, "response", None), "status_code", None)
        why = f"status {status}" if status else type(exc).__name__
        hint = "Run again: what was downloaded is kept, and goes on where it stopped."
        raise ModelError(f"{name.model_id}: the download broke off ({why}).", hint=hint) from exc
