"""Models of others: brought whole and unaltered, or not at all."""

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from affekt.errors import ModelError, UnknownName
from affekt.models.downloads import DOWNLOADS, Download, download, downloaded, entry, model_folder

CONTENT = b"a model, for all that is known" * 100


def wanted(*addresses):
    return Download("made.onnx", addresses, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "none", "a test")


@pytest.fixture
def server():
    """A server that gives the content at /right, half of it at /half, and twice at /long."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = {"/right": CONTENT, "/half": CONTENT[:1500], "/long": CONTENT * 2}
            self.send_response(200 if self.path in parts else 404)
            self.end_headers()
            self.wfile.write(parts.get(self.path, b"no"))

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_a_file_comes_from_the_first_address_that_has_it(server, tmp_path):
    folder = tmp_path / "new" / "folder"
    path = download(wanted(f"{server}/missing", f"{server}/half", f"{server}/right"), folder)
    assert path == folder / "made.onnx"
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in folder.iterdir()] == ["made.onnx"]


@pytest.mark.parametrize("part", ["half", "long"])
def test_a_file_with_another_digest_is_refused_and_nothing_is_written(server, tmp_path, part):
    with pytest.raises(ModelError, match=r"bytes with the sha256 [0-9a-f]{64}; expected 3000 bytes"):
        download(wanted(f"{server}/{part}"), tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_wrong_file_in_the_folder_is_replaced_and_a_right_one_kept(tmp_path):
    source = tmp_path / "source.onnx"
    source.write_bytes(CONTENT)
    (tmp_path / "made.onnx").write_bytes(b"half")
    assert download(wanted(source.as_uri()), tmp_path).read_bytes() == CONTENT
    assert download(wanted("http://127.0.0.1:1/"), tmp_path).read_bytes() == CONTENT


def test_without_a_network_the_error_says_what_to_do(tmp_path):
    with pytest.raises(ModelError, match=r"nothing was written\. http://127\.0\.0\.1:1/: .*give --from FILE"):
        download(wanted("http://127.0.0.1:1/"), tmp_path)
    with pytest.raises(ModelError, match="is no address; allowed: https://"):
        download(wanted("ftp://somewhere/x"), tmp_path)


def test_another_address_is_taken_in_place_of_the_table(server, tmp_path):
    path = download(wanted("http://127.0.0.1:1/"), tmp_path, addresses=[f"{server}/right"])
    assert path.read_bytes() == CONTENT


def test_the_folder_follows_the_platform(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert model_folder({}, "linux") == Path("/home/me/.cache/affekt/models")
    assert model_folder({}, "darwin") == Path("/home/me/Library/Caches/affekt/models")
    assert model_folder({"LOCALAPPDATA": "/local"}, "win32") == Path("/local/affekt/models")
    assert model_folder({"AFFEKT_MODELS": "/mine", "XDG_CACHE_HOME": "/x"}, "linux") == Path("/mine")


def test_a_model_that_was_not_downloaded_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("AFFEKT_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="Run: affekt models download yunet"):
        downloaded("yunet")
    (tmp_path / entry("yunet").file).write_bytes(b"there")
    assert downloaded("yunet") == tmp_path / "face_detection_yunet_2023mar.onnx"
    with pytest.raises(UnknownName, match="did you mean 'yunet'"):
        downloaded("yunett")


def test_every_row_is_complete():
    for row in DOWNLOADS.values():
        assert len(row.sha256) == 64
        assert row.file.endswith(".onnx")
        assert all(address.startswith("https://") and address.endswith(row.file) for address in row.addresses)
        assert replace(row, size=1).licence
