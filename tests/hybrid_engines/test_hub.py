"""Models on the hub: fetched once, found without a network afterwards, and one sentence where neither works."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import constants

from hybrid_engines import models
from hybrid_engines.parts import ModelError

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """A client without network and with an empty cache of its own."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_model_that_is_not_at_hand_is_one_sentence_about_what_to_do():
    with pytest.raises(ModelError, match="not at hand and cannot be fetched") as raised:
        models.open_model(f"hf://org/pair@{REVISION}")
    assert "mount its folder and give `file:///its/folder`" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_model_that_was_fetched_before_opens_without_a_network(offline: Path, tiny_master: Path):
    folder = offline / "models--org--pair" / "snapshots" / REVISION
    shutil.copytree(tiny_master / "large", folder)
    model = models.open_model(f"hf://org/pair@{REVISION}")
    assert model.unet.folder == folder / "unet"
    assert model.digest("unet") == models.open_model((tiny_master / "large").as_uri()).digest("unet")


# A hub of our own on this machine, asked by a client in a process of its own.

OPEN = """
import sys
from hybrid_engines import models

model = models.open_model(sys.argv[1])
print(model.unet.folder.parent)
"""


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as its client asks for: the list of a repository's files, and the files."""

    root: Path
    broken: str | None = None
    asked: list[str]

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body):
        path = urlsplit(self.path).path
        type(self).asked.append(path)
        listing, files = f"/api/models/org/pair/tree/{REVISION}", f"/org/pair/resolve/{REVISION}/"
        if path == listing:
            self.send(json.dumps([*map(self.describe, self.files())]).encode(), kind="application/json")
        elif path.startswith(files) and not (with_body and path.endswith(str(self.broken))):
            self.send((self.root / path.removeprefix(files)).read_bytes(), with_body=with_body)
        else:
            self.send_error(503 if self.broken else 404)

    def files(self):
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def describe(self, path):
        name, size = str(path.relative_to(self.root)), path.stat().st_size
        return {"type": "file", "path": name, "size": size, "oid": hashlib.sha1(path.read_bytes()).hexdigest()}

    def send(self, body, *, kind="application/octet-stream", with_body=True):
        self.send_response(200)
        headers = {"Content-Type": kind, "Content-Length": len(body), "X-Repo-Commit": REVISION}
        for name, value in (headers | {"ETag": f'"{hashlib.sha1(body).hexdigest()}"'}).items():
            self.send_header(name, str(value))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def hub(tiny: Path):
    """Serves the tiny large model with files around it that no engine needs."""
    root = tiny / "large"
    (root / "README.md").write_text("words")
    (root / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    handler = type("TinyHub", (Hub,), {"root": root, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        handler.url = f"http://127.0.0.1:{server.server_port}"
        yield handler
        server.shutdown()
        thread.join()


@pytest.fixture
def client(hub, tmp_path):
    """Opens the model in a fresh process; says where it lies, or why not."""
    settings = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}

    def ask(**variables):
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", OPEN, f"hf://org/pair@{REVISION}"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | settings | {"HF_ENDPOINT": hub.url} | variables,
        )

    return ask


def test_a_model_is_fetched_once_and_without_pickles_then_found_offline(hub, client):
    first = client()
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    assert not (folder / "README.md").exists()
    assert not (folder / "unet" / "diffusion_pytorch_model.bin").exists()
    hub.asked.clear()
    assert client(HF_HUB_OFFLINE="1").stdout == first.stdout
    assert client().stdout == first.stdout
    assert hub.asked == [], "what is at hand needs no network"


def test_a_fetch_that_broke_off_is_gone_on_with(hub, client):
    hub.broken = "model.safetensors"
    broken = client()
    assert broken.returncode == 1
    assert "is not at hand and cannot be fetched" in broken.stderr
    assert "is not at hand and cannot be fetched" in client(HF_HUB_OFFLINE="1").stderr
    hub.broken = None
    assert client().returncode == 0


@pytest.mark.parametrize("address", ["hf://org/pair", "hf://pair@main", "hf://org/pair@", "hf://org/a/b@main"])
def test_an_address_that_names_no_snapshot_is_refused(address):
    with pytest.raises(ModelError, match="names no snapshot"):
        models.open_model(address)
