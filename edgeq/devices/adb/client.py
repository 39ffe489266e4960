"""The `adb` program: where it is, which phone is meant, and what its words mean.

Its exit codes say little (`adb connect` gives 0 for a phone that is not there), so the phone's state is read
from the list that `adb devices` gives. The adb server that it starts stays, as it does for everybody.
"""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass

from edgeq.devices.link import printable
from edgeq.errors import DeviceError, DeviceUnreachable, EdgeqError, HostError, ProfileError

# `adb connect` waits about 10 s for an address that does not answer.
_ASK_SECONDS = 30.0
# A phone that was just plugged in passes through these.
_SETTLE_SECONDS = 5.0
# How long a phone may take to say that it is there.
ANSWER_SECONDS = 10.0
_UNSETTLED = ("authorizing", "connecting", "offline")

_TAP = (
    "unlock the phone and tap Allow on its question about USB debugging; if it asks nothing, take the cable "
    "out and put it in again, or choose Revoke USB debugging authorisations in its developer options first"
)
_PLUG = "plug {} in, switch on USB debugging in its developer options, then look at `adb devices`"
# What `adb devices` says besides `device`: the error, what it means, what to do.
_STATES: dict[str, tuple[type[EdgeqError], str, str]] = {
    "unauthorized": (DeviceError, "has not allowed this computer yet (unauthorized)", _TAP),
    "authorizing": (DeviceError, "has not allowed this computer yet (authorizing)", _TAP),
    "offline": (
        DeviceUnreachable,
        "is known to adb but does not answer (offline)",
        "take the cable out and put it in again, or run `adb reconnect offline`",
    ),
    "no permissions": (
        HostError,
        "is there, but this user may not use the USB device (no permissions)",
        "run `apt-get install android-sdk-platform-tools-common`, add this user to the group plugdev and log "
        "in again",
    ),
}


@dataclass(frozen=True)
class AdbTarget:
    """Which phone, and by which adb server.

    Attributes:
        serial: as `adb devices` lists it, or `host:port` of one on the network; None for the only one.
        server: `host:port`; None for the one of this machine.
    """

    serial: str | None = None
    server: str | None = None


class AdbClient:
    """Runs `adb` for one target."""

    def __init__(self, target: AdbTarget) -> None:
        self.target = target
        self._serial: str | None = None

    @property
    def _wanted(self) -> str | None:
        return self.target.serial or os.environ.get("ANDROID_SERIAL") or None

    def shell(self, line: str) -> list[str]:
        """The command that gives `line` to the phone's shell; see `select` for what it raises."""
        return self._command("-s", self.select(), "shell", "-T", line)

    def list_phones(self) -> dict[str, str]:
        """State of each phone that the adb server knows, by its serial.

        Raises:
            HostError: there is no adb here.
            DeviceUnreachable: the adb server does not answer.
        """
        return parse_devices(self._ask("devices"))

    def forget(self) -> None:
        """Look for the phone again before the next command."""
        self._serial = None

    def select(self) -> str:
        """The serial of the phone, which answers and has what is needed; asked once.

        Raises:
            HostError: there is no adb here.
            ProfileError: there are several phones, and no serial says which.
            DeviceUnreachable: it is not there, or offline.
            DeviceError: it does not let us in, or is too old.
        """
        if self._serial is None:
            self._serial = self._find()
        return self._serial

    def _find(self) -> str:
        serial = self._await_phone()
        features = self._ask("-s", serial, "features").split()
        if "shell_v2" not in features:
            raise DeviceError(
                f"the phone {serial} has no shell that tells exit codes (shell_v2): it answers "
                f"{printable(' '.join(features).encode())[:300]!r}",
                hint="edgeq needs Android 8 or newer",
                private=(serial,),
            )
        if not self.answers(serial):
            # The server does not notice a cable or a network that carries nothing.
            self._ask("-s", serial, "reconnect")
            serial = self._await_phone()
            if not self.answers(serial):
                raise _refusal(serial, "offline")
        return serial

    def _await_phone(self) -> str:
        """Serial of the phone, once adb says that it is there."""
        said = ""
        if self._wanted and ":" in self._wanted:
            said = self._ask("connect", self._wanted).strip()
        until = time.monotonic() + _SETTLE_SECONDS
        serial, state = self._choose(parse_devices(self._ask("devices")), said)
        while state in _UNSETTLED and time.monotonic() < until:
            time.sleep(0.2)
            serial, state = self._choose(parse_devices(self._ask("devices")), said)
        if state != "device":
            raise _refusal(serial, state)
        return serial

    def answers(self, serial: str) -> bool:
        """Whether the phone itself says something; adbd answers this one without starting anything."""
        try:
            return self._call("-s", serial, "reverse", "--list", seconds=ANSWER_SECONDS)[0] == 0
        except DeviceUnreachable:
            return False

    def _choose(self, states: dict[str, str], said: str) -> tuple[str, str]:
        """The phone that is meant, and its state."""
        there = ", ".join(f"{serial} ({state})" for serial, state in sorted(states.items())) or "none"
        wanted = self._wanted
        if wanted is not None:
            if wanted in states:
                return wanted, states[wanted]
            answer = f"; `adb connect` said: {printable(said.encode())[:500]}" if said else ""
            raise DeviceUnreachable(
                f"adb knows no phone {wanted}{answer}; it knows: {there}",
                hint=_PLUG.format("it"),
                private=(wanted, *states),
            )
        if not states:
            raise DeviceUnreachable("adb sees no phone", hint=_PLUG.format("one"))
        if len(states) > 1:
            raise ProfileError(
                f"adb sees {len(states)} phones, and nothing says which one is meant: {there}",
                hint="write its serial into a device profile (`serial` under [link]), or set ANDROID_SERIAL",
                private=tuple(states),
            )
        return next(iter(states.items()))

    def _ask(self, *arguments: str) -> str:
        """What adb prints, on both streams; its exit code says little."""
        return self._call(*arguments)[1]

    def _call(self, *arguments: str, seconds: float = _ASK_SECONDS) -> tuple[int, str]:
        """Exit code of adb, and what it prints on both streams."""
        command = self._command(*arguments)
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceUnreachable(
                f"`adb {' '.join(arguments)}` did not end within {seconds:g} s",
                hint="run `adb kill-server` and try again",
            ) from error
        except OSError as error:
            raise HostError(
                f"cannot run {command[0]}: {error.strerror}", hint="see to the environment variable ADB"
            ) from error
        said = printable(done.stdout)
        if done.returncode != 0 and arguments[0] == "devices":
            raise DeviceUnreachable(
                f"the adb server does not answer: {said.strip()[-500:]}",
                hint="run `adb kill-server` and try again; with `server` in the profile, start one there",
            )
        return done.returncode, said

    def _command(self, *arguments: str) -> list[str]:
        """The whole command line."""
        server: list[str] = []
        if self.target.server is not None:
            host, _, port = self.target.server.rpartition(":")
            if not host or not port.isascii() or not port.isdigit():
                raise ProfileError(f"the adb server {self.target.server!r} is no host:port")
            server = ["-H", host.strip("[]"), "-P", port]
        return [find_adb(), *server, *arguments]


def find_adb() -> str:
    """The program: the environment variable `ADB`, else the one on PATH.

    Raises:
        HostError: it is not there.
    """
    named = os.environ.get("ADB")
    if found := shutil.which(named or "adb"):
        return found
    if named:
        raise HostError(f"ADB={named} is no program", hint="correct it, or unset it to use adb on PATH")
    raise HostError("adb is not installed; a phone is reached by it", hint="run `apt-get install adb`")


def parse_devices(text: str) -> dict[str, str]:
    """State of each phone by its serial, from `adb devices`."""
    return {
        found[1]: "no permissions" if found[2].startswith("no permissions") else found[2]
        for line in text.splitlines()
        if (found := re.fullmatch(r"(\S+)\t(\S.*?)\s*", line))
    }


def _refusal(serial: str, state: str) -> EdgeqError:
    other = (DeviceError, f"does not run Android now (it says {state!r})", "let it start Android, try again")
    kind, meaning, hint = _STATES.get(state, other)
    return kind(f"the phone {serial} {meaning}", hint=hint, private=(serial,))
