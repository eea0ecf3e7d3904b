"""docs/labels.md, run as written against a local server: a service that classifies pictures."""

import io
import json
import re
import shlex
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from asking_networks import trained_briefly
from PIL import Image
from torch.nn.functional import cross_entropy

from lineage.data.load import load_images
from lineage.networks.architectures import build

PAGE = (Path(__file__).parents[2] / "docs" / "labels.md").read_text()
COMMANDS = re.findall(r"^\$ (lineage .+)$", PAGE, re.MULTILINE)
ASKING, IN_PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SIZE, MOST = 8, 1000


def trained(network: torch.nn.Module, steps: int, seed: int, rate: float = 0.05) -> torch.nn.Module:
    images = load_images("sklearn:digits", split="train", size=SIZE, channels=1)
    pixels, labels = images.tensor(), images.labels_tensor()
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
    for _ in range(steps):
        batch = torch.randint(len(labels), (32,), generator=order)
        optimizer.zero_grad()
        cross_entropy(network(pixels[batch]), labels[batch]).backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def networks() -> dict[str, torch.nn.Module]:
    """Ten independent networks, and the suspect, which was trained on from `p4`."""
    size = {"classes": 10, "channels": 1, "image_size": SIZE}
    found = {f"p{number}": trained(build("fc", seed=number, **size), 100, number) for number in range(10)}
    suspect = build("fc", seed=0, **size)
    suspect.load_state_dict(found["p4"].state_dict())
    return found | {"suspect": trained(suspect, 5, 99, rate=0.005)}


@pytest.fixture(autouse=True)
def briefly() -> Iterator[None]:
    with trained_briefly():
        yield


@pytest.fixture(scope="module")
def service(networks) -> Iterator[str]:
    """The address of a server on this machine that answers so many pictures at most."""
    answered = 0

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self):
            nonlocal answered
            answered += 1
            if answered > MOST:
                self.send_error(429)
                return
            picture = Image.open(io.BytesIO(self.rfile.read(int(self.headers["Content-Length"]))))
            pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255)[None, None]
            with torch.no_grad():
                body = json.dumps({"label": int(networks["suspect"](pixels).argmax())}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_service_is_audited_as_the_page_says(networks, service, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bases").mkdir()
    for id, network in networks.items():
        if id != "suspect":
            torch.save(network.state_dict(), tmp_path / "bases" / f"{id}.pt")
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(load_images("sklearn:digits", split="test", size=SIZE, channels=1).pixels):
        Image.fromarray(image[..., 0]).save(tmp_path / "photos" / f"{number:03d}.png")

    def printed(command: str) -> str:
        done = run(*shlex.split(command)[1:])
        assert done.returncode == 0, done.stderr
        return done.stdout

    asked, answered, verified = COMMANDS
    assert "commitment: " in printed(asked)
    exec(compile(ASKING.replace("127.0.0.1:8765", service), "docs/labels.md", "exec"), {})
    assert "answers.csv: of the family of p4; closest: p4" in printed(answered)
    assert json.loads((tmp_path / "found.json").read_text())["closest"] == "p4"
    assert printed(verified) == "queries: verified, nothing differs\n"

    names = {"candidates": {id: net for id, net in networks.items() if id != "suspect"}}
    names["suspect"] = lambda images: (
        networks["suspect"](torch.from_numpy(images.transpose(0, 3, 1, 2) / np.float32(255)))
        .argmax(1)
        .numpy()
    )
    exec(compile(IN_PYTHON, "docs/labels.md", "exec"), names)
    assert names["found"].closest == "p4"
