"""Each link with a real peer behind it: this machine, an OpenSSH server, an emulated board."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from peers import run_sshd

from edgeq.devices.deploy import make_run_folder
from edgeq.devices.link import Link
from edgeq.devices.local import LocalLink
from edgeq.devices.opening import open_device
from edgeq.devices.profile import load_profile
from edgeq.devices.ssh import SshLink


@dataclass(frozen=True)
class Peer:
    """A link, a folder on its device that edgeq may use, and how many bytes it moves in a few seconds."""

    link: Link
    root: str
    plenty: int


@pytest.fixture(scope="session", params=["local", "ssh", pytest.param("board", marks=pytest.mark.emulated)])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        with LocalLink() as link:
            yield Peer(link, f"{folder}/work folder", 64_000_000)
    elif request.param == "ssh":
        with run_sshd(folder) as server, SshLink(server.target) as link:
            yield Peer(link, f"{folder}/work folder", 64_000_000)
    else:
        profile = load_profile("virt-pi5")
        with open_device(profile) as link:
            yield Peer(link, profile.work_folder, 8_000_000)


@pytest.fixture
def link(peer: Peer) -> Link:
    return peer.link


@pytest.fixture
def remote(peer: Peer) -> Iterator[str]:
    """An empty folder on the device."""
    with make_run_folder(peer.link, peer.root) as folder:
        yield folder
