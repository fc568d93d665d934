"""Upload an exported folder to the model hub."""

from __future__ import annotations

from pathlib import Path

from econchatr.errors import InputError, MissingExtraError, ModelError


def push_folder(folder: Path, repo: str) -> str:
    """Upload a folder as a model repository, which is made private if it is new; give its address.

    The token comes from the environment (`HF_TOKEN`) or from the hub's own login.

    Args:
        repo: `OWNER/NAME`.

    Raises:
        InputError: `repo` is no such name, or there is no token.
        MissingExtraError: huggingface_hub is not installed.
        ModelError: The hub refuses, or cannot be reached.
    """
    try:
        from huggingface_hub import HfApi, errors, get_token
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"uploading needs {exc.name}.", extra="local") from exc
    owner, slash, name = repo.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise InputError(f"{repo!r} is no name on the hub.", hint="Give OWNER/NAME.")
    if not get_token():
        raise InputError("there is no token for the model hub.", hint="Set HF_TOKEN, or call `hf auth login`.")
    network_error: type[Exception] = getattr(errors, "HTTPError", OSError)
    api = HfApi()
    try:
        address = str(api.create_repo(repo, private=True, exist_ok=True))
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Export of EconChatR")
    except (errors.HfHubHTTPError, network_error, OSError, ValueError) as exc:
        raise ModelError(
            f"{repo}: the model hub does not take {folder} ({str(exc).splitlines()[0]}).",
            hint="The folder is complete: upload it again later, or by hand.",
        ) from exc
    return address
