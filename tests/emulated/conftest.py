"""One booted board for the tests of a session."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgeq.devices.deploy import store_path
from edgeq.devices.link import Link
from edgeq.devices.opening import open_device
from edgeq.devices.profile import DeviceProfile, load_profile


@dataclass(frozen=True)
class Board:
    """A Cortex-A76 board that had `preloaded` (a set of files) from the start."""

    link: Link
    profile: DeviceProfile
    preloaded: dict[str, Path]


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    profile = load_profile("virt-pi5")
    folder = tmp_path_factory.mktemp("preload")
    (folder / "library.so").write_bytes(os.urandom(1_000_000))
    (folder / "tool").write_text("#!/bin/sh\necho tool ran\n")
    (folder / "tool").chmod(0o755)
    files = {path.name: path for path in folder.iterdir()}
    with open_device(profile, preload={store_path(profile.work_folder, files): folder}) as link:
        yield Board(link, profile, files)
