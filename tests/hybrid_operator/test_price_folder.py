"""The installation's price list as the kubelet mounts it."""

from pathlib import Path

import pytest

from hybrid_operator.price_folder import PriceFolder


def mount(folder: Path, version: str, **files: str) -> None:
    """As the kubelet does it: files in a folder of their own, links to it, and one link that is swapped."""
    (folder / f"..{version}").mkdir(parents=True)
    for name, content in files.items():
        (folder / f"..{version}" / name).write_text(content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..new").symlink_to(f"..{version}")
    (folder / "..new").replace(folder / "..data")


@pytest.mark.parametrize("path", ["", "nowhere"])
def test_where_nothing_is_mounted_there_is_no_list(path: str, tmp_path: Path) -> None:
    folder = PriceFolder(str(tmp_path / path) if path else "")
    assert folder.read() is None
    assert not folder.has_changed()


def test_an_empty_folder_is_no_list(tmp_path: Path) -> None:
    assert PriceFolder(str(tmp_path)).read() is None


def test_a_change_is_noticed_once_and_read_at_once(tmp_path: Path) -> None:
    mount(tmp_path, "one", currency="USD", cpuCoreHour="0.03\n")
    folder = PriceFolder(str(tmp_path))
    assert folder.read() == {"currency": "USD", "cpuCoreHour": "0.03"}
    assert not folder.has_changed()
    mount(tmp_path, "two", currency="USD", cpuCoreHour="0.05")
    assert folder.read() == {"currency": "USD", "cpuCoreHour": "0.05"}
    assert folder.has_changed()
    assert not folder.has_changed()


def test_what_cannot_be_read_for_a_moment_does_not_take_prices_away(tmp_path: Path) -> None:
    mount(tmp_path, "one", currency="USD")
    folder = PriceFolder(str(tmp_path))
    (tmp_path / "..data").unlink()
    assert folder.read() == {"currency": "USD"}
    assert not folder.has_changed()
