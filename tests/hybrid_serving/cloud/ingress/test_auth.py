import asyncio
from pathlib import Path

import pytest

from hybrid_serving.cloud.ingress.auth import OPEN_TENANT, ApiKeys
from hybrid_serving.cloud.ingress.errors import ApiError
from hybrid_serving.cloud.ingress.middleware import Authentication
from hybrid_serving.cloud.ingress.mounted import MountedFolder


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


def keys(folder: Path) -> ApiKeys:
    return ApiKeys(MountedFolder(folder, clock=Clock()))


def test_without_key_files_the_service_is_open(tmp_path: Path) -> None:
    assert keys(tmp_path / "absent").tenant(None) == OPEN_TENANT
    assert keys(tmp_path).tenant("Bearer anything") == OPEN_TENANT


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "key-of-a", "Bearer key-of-b", "Bearer \udcff"]
)
def test_with_a_key_file_everything_but_the_key_is_refused(tmp_path: Path, header: str | None) -> None:
    (tmp_path / "a").write_text("key-of-a")
    with pytest.raises(ApiError) as refused:
        keys(tmp_path).tenant(header)
    assert refused.value.status == 401
    assert refused.value.headers() == {"www-authenticate": "Bearer"}


def test_the_tenant_is_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("key-of-a\n")
    (tmp_path / "b").write_text("key-of-b")
    assert keys(tmp_path).tenant("Bearer key-of-a") == "a"
    assert keys(tmp_path).tenant("bearer  key-of-b ") == "b"


def test_a_service_that_names_keys_never_serves_openly(tmp_path: Path) -> None:
    named = ApiKeys(MountedFolder(tmp_path / "missing", clock=Clock()), is_required=True)
    with pytest.raises(ApiError, match="No API key"):
        named.tenant(None)
    with pytest.raises(ApiError, match="not known"):
        named.tenant("Bearer guess")


def test_an_empty_key_file_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("\n")
    for header in (None, "Bearer ", "Bearer \n"):
        with pytest.raises(ApiError):
            keys(tmp_path).tenant(header)


def test_kubernetes_bookkeeping_is_no_key(tmp_path: Path) -> None:
    data = tmp_path / "..2026_01_01"
    data.mkdir()
    (data / "a").write_text("key-of-a")
    (tmp_path / "..data").symlink_to(data)
    (tmp_path / "a").symlink_to(Path("..data") / "a")
    assert keys(tmp_path).tenant("Bearer key-of-a") == "a"


def test_a_changed_key_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    known = keys(tmp_path)
    assert known.tenant("Bearer old") == "a"
    (tmp_path / "a").write_text("newer")
    assert known.tenant("Bearer newer") == "a"
    with pytest.raises(ApiError):
        known.tenant("Bearer old")
    (tmp_path / "b").write_text("other")
    assert known.tenant("Bearer other") == "b"


def test_files_are_looked_at_once_a_second_at_most(tmp_path: Path) -> None:
    now = [0.0]
    known = ApiKeys(MountedFolder(tmp_path, clock=lambda: now[0]))
    assert known.tenant(None) == OPEN_TENANT
    (tmp_path / "a").write_text("key-of-a")
    assert known.tenant(None) == OPEN_TENANT
    now[0] = 1.0
    with pytest.raises(ApiError):
        known.tenant(None)


def test_a_folder_that_cannot_be_listed_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ApiError):
        keys(tmp_path).tenant(None)


def test_a_folder_swapped_in_this_moment_keeps_its_last_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("key-of-a")
    known = keys(tmp_path)
    assert known.tenant("Bearer key-of-a") == "a"

    def vanish(_: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "iterdir", vanish)
    assert known.tenant("Bearer key-of-a") == "a"
    with pytest.raises(ApiError):
        known.tenant(None)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer key-of-a"},
        {"x-hybrid-authorization": "Bearer key-of-a"},
        {"authorization": "Bearer of-the-api-server", "x-hybrid-authorization": "Bearer key-of-a"},
    ],
)
def test_a_key_may_travel_beside_the_one_that_a_proxy_keeps_for_itself(tmp_path: Path, headers: dict[str, str]) -> None:
    (tmp_path / "a").write_text("key-of-a")
    scope = {
        "type": "http",
        "path": "/v1/models",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    tenants = []

    async def app(scope: dict, receive, send) -> None:
        tenants.append(scope["state"]["tenant"])

    asyncio.run(Authentication(app, keys=keys(tmp_path))(scope, None, None))
    assert tenants == ["a"]
