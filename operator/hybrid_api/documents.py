"""The YAML that `hybrid serve -f` reads: one HybridDiffusion with the Secrets and the price list it refers to.

What a cluster would look up by reference lies here in further documents of the same text. Parsing only: nothing is
written, mounted or sent.
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from hybrid_api.errors import ApiError, sentence
from hybrid_api.model import Manifest
from hybrid_api.prices import PriceList, PriceListError
from hybrid_api.references import SecretRef
from hybrid_api.v1alpha1 import KIND, HybridDiffusion

_ENTRY_NAME = re.compile(r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]{1,253}")
"""What Kubernetes allows; no path separator, nothing that leads out of a folder."""


class DocumentError(ApiError):
    """YAML that does not hold what is needed."""


class Documents(NamedTuple):
    """One resource and what it refers to."""

    resource: HybridDiffusion
    secrets: Mapping[str, Mapping[str, bytes]]
    """Entries by Secret name, decoded."""
    config_maps: Mapping[str, Mapping[str, str]]
    """Entries by ConfigMap name."""

    def api_keys(self) -> Mapping[str, bytes]:
        """API keys by tenant; empty where the resource asks for none."""
        ref = self.resource.spec.ingress.api_keys_secret_ref
        return self._secret(ref, path="spec.ingress.apiKeysSecretRef")

    def signing_keys(self) -> Mapping[str, bytes]:
        """Signing seeds by key id, as written (base64 text); empty where the resource leaves the key to us."""
        ref = self.resource.spec.handoff.signing_key_secret_ref
        return self._secret(ref, path="spec.handoff.signingKeySecretRef")

    def prices(self) -> PriceList | None:
        """The resolved price list; `None` where the resource names none."""
        cost = self.resource.spec.cost
        if cost is None:
            return None
        name = cost.price_list_ref.name
        if name not in self.config_maps:
            raise DocumentError(
                _unresolved("spec.cost.priceListRef", kind="ConfigMap", name=name, known=self.config_maps)
            )
        try:
            prices = PriceList.from_data(self.config_maps[name])
        except PriceListError as error:
            raise DocumentError(f"ConfigMap `{name}`: {error}") from error
        if prices.currency != cost.currency:
            raise DocumentError(
                f"`spec.cost.currency`: found {cost.currency}, expected {prices.currency}, "
                f"the currency of ConfigMap `{name}`."
            )
        return prices

    def _secret(self, ref: SecretRef | None, *, path: str) -> Mapping[str, bytes]:
        if ref is None:
            return {}
        if not self.secrets.get(ref.name):
            raise DocumentError(_unresolved(path, kind="Secret", name=ref.name, known=self.secrets))
        return self.secrets[ref.name]


def parse(manifest: Manifest) -> HybridDiffusion:
    """The resource in a manifest; `DocumentError` names the field, what was found and what was expected.

    A status is passed over: it is the operator's word, never the user's.
    """
    try:
        return HybridDiffusion.model_validate({key: value for key, value in manifest.items() if key != "status"})
    except ValidationError as error:
        raise DocumentError(sentence(error, model=HybridDiffusion)) from error


def load_documents(text: str) -> Documents:
    """Read exactly one HybridDiffusion, and any number of Secrets and ConfigMaps, from YAML."""
    resources: list[HybridDiffusion] = []
    secrets: dict[str, Mapping[str, bytes]] = {}
    config_maps: dict[str, Mapping[str, str]] = {}
    for number, document in enumerate(_load(text), start=1):
        match document.get("kind"):
            case "HybridDiffusion":
                resources.append(parse(document))
            case "Secret":
                name = _name(document, number=number)
                secrets[name] = _secret_entries(document, where=f"Secret `{name}`")
            case "ConfigMap":
                name = _name(document, number=number)
                config_maps[name] = _entries(document, "data", where=f"ConfigMap `{name}`")
            case "PersistentVolumeClaim":
                pass  # only a cluster has volumes; here engines lie in the user's cache folder
            case kind:
                raise DocumentError(f"Document {number}: found kind `{kind}`, expected {KIND}, Secret or ConfigMap.")
    if len(resources) != 1:
        raise DocumentError(f"Found {len(resources)} documents of kind {KIND}, expected exactly one.")
    return Documents(resource=resources[0], secrets=secrets, config_maps=config_maps)


def _load(text: str) -> list[dict[str, Any]]:
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        detail = " ".join(str(error).split())
        raise DocumentError(f"Found text that is not YAML ({detail}), expected a {KIND} manifest.") from error
    for number, document in enumerate(documents, start=1):
        if not isinstance(document, dict):
            raise DocumentError(f"Document {number}: found {json.dumps(document, default=str)}, expected a manifest.")
    return documents


def _name(document: Manifest, *, number: int) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, str):
        raise DocumentError(f"Document {number}: `metadata.name`: found {name!r}, expected a name.")
    return name


def _entries(document: Manifest, field: str, *, where: str) -> dict[str, str]:
    """Entries of a Secret or ConfigMap. Their names become file names; their values are never shown."""
    entries = document.get(field) or {}
    if not isinstance(entries, Mapping):
        raise DocumentError(f"{where}: `{field}`: found {type(entries).__name__}, expected a mapping of strings.")
    for key, value in entries.items():
        if not isinstance(key, str) or not _ENTRY_NAME.fullmatch(key):
            raise DocumentError(
                f"{where}: `{field}`: found the entry {key!r}, expected letters, digits, `-`, `_`, `.`."
            )
        if not isinstance(value, str):
            found = type(value).__name__
            raise DocumentError(f"{where}: `{field}.{key}`: found {found}, expected a string; put it in quotes.")
    return dict(entries)


def _secret_entries(document: Manifest, *, where: str) -> dict[str, bytes]:
    """`data` decoded, with `stringData` over it, as the API server merges them."""
    decoded: dict[str, bytes] = {}
    for key, value in _entries(document, "data", where=where).items():
        try:
            decoded[key] = base64.b64decode("".join(value.splitlines()), validate=True)
        except ValueError as error:
            complaint = "found text that is not base64; encode it, or use `stringData`"
            raise DocumentError(f"{where}: `data.{key}`: {complaint}.") from error
    return decoded | {key: value.encode() for key, value in _entries(document, "stringData", where=where).items()}


def _unresolved(path: str, *, kind: str, name: str, known: Mapping[str, object]) -> str:
    found = ", ".join(f"`{each}`" for each in known) or "none"
    return f"`{path}`: found `{name}`, expected a {kind} with entries among the documents, which have {found}."
