"""Models by address on the Hugging Face hub, `hf://org/repo@revision`: the folder of the one snapshot that it names.

What was fetched before is found without a network. Only what a model is made of is fetched, and only safetensors.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any

from hybrid_engines.parts import ModelError

ADDRESS = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)")
PARTS = ("unet", "text_encoder", "vae", "scheduler", "tokenizer")
PATTERNS = [f"{part}/*.{ending}" for part in PARTS for ending in ("json", "txt", "safetensors")]


def snapshot(uri: str) -> Path:
    """The local folder of `uri`, fetched first where it is not at hand."""
    match = ADDRESS.fullmatch(uri)
    if match is None:
        raise ModelError(f"`{uri}` names no snapshot; expected `hf://organization/repository@revision`.")
    try:
        from huggingface_hub import errors, snapshot_download  # noqa: PLC0415  (an optional package)
    except ImportError as error:
        raise ModelError(
            f"`{uri}` needs the package `huggingface_hub`; install `hybrid-diffusion[engines]`."
        ) from error
    repository, revision = match["repository"], match["revision"]
    failures = _failures(errors)
    fetch = partial(snapshot_download, repository, revision=revision, allow_patterns=PATTERNS)
    try:
        return Path(fetch(local_files_only=True))
    except failures:
        pass  # not at hand, or only in part
    try:
        return Path(fetch())
    except failures as error:
        raise ModelError(
            f"`{uri}` is not at hand and cannot be fetched ({type(error).__name__}). "
            f"Go online, check repository, revision and token, or mount its folder and give `file:///its/folder`."
        ) from error


def _failures(errors: Any) -> tuple[type[Exception], ...]:
    """What the hub's client raises; its errors share no base."""
    return (
        OSError,
        ValueError,
        errors.HTTPError,
        errors.RevisionResolutionError,
        errors.CachedRepoTreeNotFoundError,
        errors.XetDownloadError,
    )
