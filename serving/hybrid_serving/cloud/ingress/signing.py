"""The keys that handoffs are signed with, from their mounted folder.

Key material stays in this process; only public halves are ever shown.
"""

from datetime import datetime

from hybrid_serving import keys
from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.cloud.ingress.mounted import MountedFolder


class SigningKeys:
    """The ring as the folder has it now: the newest key signs, all verify."""

    def __init__(self, folder: MountedFolder) -> None:
        self._folder = folder
        self._version = -1
        self._ring: keys.KeyRing | None = None

    def ring(self) -> keys.KeyRing:
        """The ring; raises `ApiError` where there is no usable key."""
        files = self._folder.files()
        if self._ring is None or self._folder.version != self._version:
            try:
                self._ring = keys.KeyRing.from_texts({name: text.decode("ascii") for name, text in files.items()})
            except (keys.KeyInvalidError, UnicodeDecodeError) as error:
                message = f"The service cannot sign handoffs: {error} Its operator has to set `signingKeySecretRef`."
                raise ApiError(message, code="no_signing_key") from error
            self._version = self._folder.version
        return self._ring

    def vouchers(self, *, now: datetime) -> dict[str, str]:
        """What each key signed: the list of all, by which devices that know one of them learn of the others."""
        try:
            return self.ring().vouchers(now=now)
        except ApiError:
            return {}

    def shown(self) -> dict[str, str]:
        """Public keys as base64 by key id; none where the service cannot sign."""
        try:
            return self.ring().public.to_texts()
        except ApiError:
            return {}
