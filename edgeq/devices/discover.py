"""Which devices can be used from here: phones that adb sees, and profiles that answer, asked all at once."""

import shutil
import threading
import time
from collections.abc import Sequence
from typing import Literal

from edgeq.devices.adb.client import AdbClient, AdbTarget
from edgeq.devices.board.machine import QEMU as QEMU_SYSTEM
from edgeq.devices.check import compare_cores
from edgeq.devices.emulator import PACKAGES, find_lacking
from edgeq.devices.emulator import QEMU as QEMU_USER
from edgeq.devices.opening import open_device
from edgeq.devices.probe import read_facts
from edgeq.devices.profile import BoardSpec, DeviceProfile, EmulatorSpec
from edgeq.errors import EdgeqError
from edgeq.results.records import Record

State = Literal["answers", "does not answer", "refuses", "can be started", "cannot be started"]


class Found(Record, frozen=True, kw_only=True):
    """One device: whether it can be used, and in words what it said or lacks."""

    device: str
    state: State
    about: str


class Phone(Record, frozen=True, kw_only=True):
    """One phone that adb knows; `profile` is the first one that names its serial."""

    serial: str
    state: str
    profile: str | None


def find_phones(profiles: Sequence[DeviceProfile]) -> tuple[Phone, ...]:
    """Phones that the adb server of this machine knows.

    Raises:
        HostError: there is no adb here.
        DeviceUnreachable: its server does not answer.
    """
    named = {
        serial: profile.name
        for profile in reversed(profiles)
        if (serial := getattr(profile.link, "serial", None)) is not None
    }
    phones = AdbClient(AdbTarget()).list_phones()
    return tuple(
        Phone(serial=serial, state=state, profile=named.get(serial)) for serial, state in phones.items()
    )


def find_devices(profiles: Sequence[DeviceProfile], seconds: float) -> tuple[Found, ...]:
    """Ask every profile's device whether it is there, all at once; none is waited for longer than `seconds`.

    What is emulated is not started: it is looked whether it could be.
    """
    answers: dict[str, Found] = {}
    threads = []
    for profile in profiles:
        # A daemon: one that waits for a name server must not keep the command from ending.
        thread = threading.Thread(target=_ask, args=(profile, answers), daemon=True)
        thread.start()
        threads.append(thread)
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = f"no answer within {seconds:g} s"
    return tuple(
        answers.get(profile.name) or Found(device=profile.name, state="does not answer", about=late)
        for profile in profiles
    )


def _ask(profile: DeviceProfile, answers: dict[str, Found]) -> None:
    if isinstance(profile.link, BoardSpec | EmulatorSpec):
        answers[profile.name] = _look_for_tools(profile.name, profile.link)
        return
    try:
        with open_device(profile) as link:
            facts = read_facts(link, profile)
        cores = compare_cores(profile, facts).found
        about = cores if facts.model == "unknown" else f"{facts.model}: {cores}"
        found = Found(device=profile.name, state="answers", about=about)
    except EdgeqError as error:
        state: State = "does not answer" if error.transient else "refuses"
        found = Found(device=profile.name, state=state, about=error.message)
    answers[profile.name] = found


def _look_for_tools(device: str, spec: BoardSpec | EmulatorSpec) -> Found:
    if isinstance(spec, BoardSpec):
        name = QEMU_SYSTEM
        tools = {QEMU_SYSTEM: "qemu-system-arm", "apt-get": "apt, for the board's packages"}
        lacking = [f"{tool} ({package})" for tool, package in tools.items() if shutil.which(tool) is None]
    else:
        name, lacking = QEMU_USER, [f"{tool} ({PACKAGES[tool]})" for tool in find_lacking()]
    if lacking:
        about = f"this machine lacks {', '.join(lacking)}"
        return Found(device=device, state="cannot be started", about=about)
    return Found(device=device, state="can be started", about=f"{name}, {spec.cpu}")
