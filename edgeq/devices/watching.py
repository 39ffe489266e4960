"""What is read on a real device while it is measured: clocks, temperatures, throttling, load of others.

These are conditions that change in the middle of a run and may be back when it ends. The profile's sensors of
temperature and throttling come first; where it names none, what Linux shows everywhere.
"""

import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from edgeq.devices.batch import ask_all
from edgeq.devices.hardware import Sensor
from edgeq.devices.link import Link
from edgeq.devices.sampling import Probe, find_probes

# Phones have up to a hundred zones, and reading one may take a millisecond.
MOST_ZONES = 8
_OF_PROFILE = ("temperature", "throttling")
_CORE = re.compile("/cpu([0-9]{1,4})/cpufreq/")


@dataclass(frozen=True)
class Watch:
    """What to read, and why there is nothing to read of a quantity, by its name."""

    probes: tuple[Probe, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)

    def on_cores(self, cpus: Collection[int]) -> "Watch":
        """Without the clocks of cores that are not among `cpus`; empty for any core."""
        names = {f"cpu{cpu}" for cpu in cpus}
        kept = [
            probe for probe in self.probes if not names or probe.quantity != "clock" or probe.name in names
        ]
        return replace(self, probes=tuple(kept))


def find_watch(link: Link, sensors: Sequence[Sensor], root: str = "") -> Watch:
    """What can be read on the device during a run.

    Args:
        link: the device.
        sensors: of its profile.
        root: folder that holds `/sys` and `/proc`.

    Raises:
        DeviceUnreachable: the link broke.
    """
    own, absent = find_probes(link, [each for each in sensors if each.quantity in _OF_PROFILE], root)
    answers = ask_all(link, _questions(root))
    clocks = _clocks(answers["clock"].splitlines())
    heat = [probe for probe in own if probe.quantity == "temperature"]
    heat = heat or _zones(answers["zones"].splitlines())
    throttling = [probe for probe in own if probe.quantity == "throttling"]
    if not throttling and answers["vcgencmd"]:
        throttling = [_VCGENCMD]
    missing = {}
    if not clocks:
        missing["clock"] = "the kernel has no cpufreq for this machine"
    if not heat:
        missing["temperature"] = _why(absent, sensors, "temperature", "the kernel shows no thermal zone")
    if not throttling:
        missing["throttling"] = _why(absent, sensors, "throttling", "vcgencmd is not there")
    return Watch(probes=(*clocks, *heat, *throttling, *_always(root)), missing=missing)


def _questions(root: str) -> dict[str, str]:
    """Scripts that print what can be read, each read once: some files are there and give an error."""
    root = shlex.quote(root) if root else ""
    clocks = f"{root}/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"
    zones = f"{root}/sys/class/thermal/thermal_zone*"
    return {
        "clock": f'for f in {clocks}; do cat "$f" >/dev/null && echo "$f"; done',
        "zones": f'for d in {zones}; do cat "$d/temp" >/dev/null && echo "$d/temp=$(cat "$d/type")"; done',
        "vcgencmd": "command -v vcgencmd",
    }


def _clocks(paths: Sequence[str]) -> list[Probe]:
    found = sorted((int(core[1]), path) for path in paths if (core := _CORE.search(path)))
    return [
        Probe(
            name=f"cpu{core}",
            quantity="clock",
            site="cpu",
            form="number",
            scale=1e3,
            described="cpufreq scaling_cur_freq",
            files=(path,),
        )
        for core, path in found
    ]


def _zones(lines: Sequence[str]) -> list[Probe]:
    probes: list[Probe] = []
    for path, _, kind in sorted(line.partition("=") for line in lines):
        name = kind.strip() or path.split("/")[-2]
        if any(probe.name == name for probe in probes):
            name = f"{name}.{path.split('/')[-2].removeprefix('thermal_zone')}"
        probes.append(
            Probe(
                name=name,
                quantity="temperature",
                site="soc",
                form="number",
                scale=1e-3,
                described=f"thermal zone {kind}",
                files=(path,),
            )
        )
    return probes[:MOST_ZONES]


_VCGENCMD = Probe(
    name="throttling",
    quantity="throttling",
    site="board",
    form="flags",
    scale=1.0,
    described="command `vcgencmd get_throttled`",
    command=("vcgencmd", "get_throttled"),
)


def _always(root: str) -> tuple[Probe, Probe]:
    """Linux has these everywhere; what hides them says so when it is read."""
    cores = f"{root}/sys/devices/system/cpu/online"
    busy = (f"{root}/proc/self/stat", f"{root}/proc/stat")
    return (
        Probe(
            name="cores",
            quantity="cores",
            site="cpu",
            form="cores",
            scale=1.0,
            described="cores that are online",
            files=(cores,),
        ),
        Probe(
            name="others",
            quantity="others",
            site="cpu",
            form="busy",
            scale=1.0,
            described="cores that other processes kept busy, over spans of a second (/proc/stat)",
            files=busy,
            # The first line of each. The second file may have a line for every interrupt.
            room=512,
        ),
    )


def _why(absent: dict[str, str], sensors: Sequence[Sensor], quantity: str, otherwise: str) -> str:
    named = [absent[each.name] for each in sensors if each.quantity == quantity and each.name in absent]
    return "; ".join((*named, otherwise))
