"""The image that is written by hand is one that a runtime imports: digests agree, paths are there."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from e2e.cluster import machine_image, machine_mounts


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tarfile.TarFile:
    busybox = tmp_path / "bin" / "busybox"
    busybox.parent.mkdir()
    busybox.write_bytes(b"a static program")
    busybox.chmod(0o755)
    monkeypatch.setenv("PATH", str(busybox.parent))
    machine_image.write(tmp_path / "image.tar")
    return tarfile.open(tmp_path / "image.tar")


def content(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    assert found is not None
    return found.read()


def test_the_manifest_names_what_is_in_the_archive(archive: tarfile.TarFile) -> None:
    with archive:
        [image] = json.loads(content(archive, "manifest.json"))
        assert image["RepoTags"] == [machine_image.NAME]
        assert {image["Config"], *image["Layers"]} < set(archive.getnames())


def test_the_configuration_holds_the_digest_of_the_layer(archive: tarfile.TarFile) -> None:
    with archive:
        layer = content(archive, "layer.tar")
        configuration = json.loads(content(archive, "config.json"))
        assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


def test_the_layer_can_run_what_the_image_starts(archive: tarfile.TarFile) -> None:
    with archive, tarfile.open(fileobj=io.BytesIO(content(archive, "layer.tar"))) as layer:
        program = json.loads(content(archive, "config.json"))["config"]["Cmd"][0].lstrip("/")
        assert layer.getmember(program).mode & 0o111
        assert layer.getmember("tmp").mode & 0o1777 == 0o1777


def test_every_mount_has_its_volume_and_only_bytecode_is_written() -> None:
    volumes = {volume["name"]: volume["hostPath"]["path"] for volume in machine_mounts.volumes()}
    mounts = machine_mounts.volume_mounts()
    assert {mount["name"] for mount in mounts} == set(volumes)
    assert [mount["mountPath"] for mount in mounts if not mount.get("readOnly")] == [machine_image.BYTECODE]


def test_no_folder_is_mounted_below_another() -> None:
    paths = [Path(mount["mountPath"]) for mount in machine_mounts.volume_mounts()]
    assert not [path for path in paths if any(other in path.parents for other in paths)]
