"""API keys: one mounted file a tenant.

Keys are compared as digests in constant time and never logged. A service is open only where its resource names no keys
and none are mounted; a key file that is empty, unreadable or not there yet locks tenants out and opens nothing.
"""

import hashlib
import hmac
from collections.abc import Mapping

from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.cloud.ingress.mounted import MountedFolder

OPEN_TENANT = "anonymous"
"""Whom requests of an open service are booked to."""


class ApiKeys:
    """The tenants' keys."""

    def __init__(self, folder: MountedFolder, *, is_required: bool = False) -> None:
        self._folder = folder
        self._is_required = is_required
        self._version = -1
        self._digests: Mapping[str, bytes] = {}

    def tenant(self, authorization: str | None) -> str:
        """Whose key it is; raises `ApiError` where the service has keys and this is none of them."""
        if self._folder.is_empty and not self._is_required:
            return OPEN_TENANT
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            message = "No API key in the request; send the header `Authorization: Bearer <key>`."
            raise ApiError(message, code="invalid_api_key")
        digest = _digest(key.strip().encode("utf-8", "surrogateescape"))
        # Every key is compared, so that the time taken says nothing about which one was near.
        matching = [name for name, held in self._known().items() if hmac.compare_digest(held, digest)]
        if not matching:
            raise ApiError("The API key is not known to this service; ask its operator.", code="invalid_api_key")
        return matching[0]

    def _known(self) -> Mapping[str, bytes]:
        files = self._folder.files()
        if self._folder.version != self._version:
            self._digests = {tenant: _digest(key) for tenant, key in files.items()}
            self._version = self._folder.version
        return self._digests


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
