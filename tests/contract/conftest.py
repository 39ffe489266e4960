"""Each link with a real peer behind it: this machine, an OpenSSH server, a phone, qemu-user, a board."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import pytest
from peers import run_sshd
from phone_peers.phone import run_phone

from edgeq.devices.deploy import make_run_folder
from edgeq.devices.link import Link
from edgeq.devices.local import LocalLink
from edgeq.devices.opening import open_device
from edgeq.devices.profile import load_profile
from edgeq.devices.ssh.link import SshLink


@dataclass(frozen=True)
class Peer:
    """A link, a folder on its device that edgeq may use, how many bytes it moves in a few seconds, and a
    second link to the same device."""

    link: Link
    root: str
    plenty: int
    another: Callable[[], AbstractContextManager[Link]]


@pytest.fixture(
    scope="session",
    params=["local", "ssh", "adb", "emulator", pytest.param("board", marks=pytest.mark.emulated)],
)
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        with LocalLink() as link:
            yield Peer(link, f"{folder}/work folder", 64_000_000, LocalLink)
    elif request.param == "ssh":
        with run_sshd(folder) as server, SshLink(server.target) as link:
            yield Peer(link, f"{folder}/work folder", 64_000_000, partial(SshLink, server.target))
    elif request.param == "emulator":
        another = partial(open_device, load_profile("emulator-a76"))
        with another() as link:
            yield Peer(link, f"{folder}/work folder", 64_000_000, another)
    elif request.param == "adb":
        with run_phone(folder) as phone, phone.link() as link:
            yield Peer(link, "/data/local/tmp/work folder", 64_000_000, phone.link)
    else:
        profile = load_profile("virt-pi5")
        with open_device(profile) as link:
            yield Peer(link, profile.work_folder, 8_000_000, partial(SshLink, link.target))


@pytest.fixture
def link(peer: Peer) -> Link:
    return peer.link


@pytest.fixture
def remote(peer: Peer) -> Iterator[str]:
    """An empty folder on the device."""
    with make_run_folder(peer.link, peer.root) as folder:
        yield folder
