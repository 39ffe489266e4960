"""What sampling costs, and the energy it finds where the power is known, on a board with a counting clock.

A program on the board serves a sensor whose power is a known function of the board's clock. The runner
samples it beside real inferences; energy per inference must be the integral of that function. The clock
counts instructions, so that "watt" and "joule" stand for numbers here, and the check is of the arithmetic,
the times and the schedule. What sampling costs is counted in the same instructions.
"""

import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from facts import print_table
from msgspec.structs import replace

from edgeq.cache import cached, file_sha256, key_of
from edgeq.devices.deploy import make_run_folder
from edgeq.devices.link import Link
from edgeq.devices.opening import open_device
from edgeq.devices.profile import DeviceProfile, load_profile
from edgeq.devices.sampling import Probe
from edgeq.devices.watching import Watch, find_watch
from edgeq.measure.power import FILE_INTERVAL, find_power
from edgeq.measure.watch import INTERVAL, watch_job
from edgeq.results.energy import Energy, Phases, estimate_energy, trace_of
from edgeq.runner import EXECUTORCH
from edgeq.runner.build import build_runner
from edgeq.runner.job import Job, JobSensor, Result, Sampling
from edgeq.runner.launch import Launcher
from edgeq.units import format_quantity

TESTS = Path(__file__).parents[1] / "tests"
SOURCE = TESTS / "emulated" / "synthetic_sensor.cpp"
PROGRAMS = TESTS / "native" / "make_programs.py"
MEAN, SWING, PERIOD = 2.0, 1.0, 0.06  # as in the source
# Often enough for the wave: twelve times in each.
_KNOWN_INTERVAL = 0.005
# Ten times as often as on a device, for enough samples in a short run; the cost is told for a device's.
_STATE_INTERVAL = INTERVAL / 10
# Of the board's clock, so billions of instructions.
WORK_SECONDS, BESIDE_SECONDS = 0.6, 0.3
# QEMU emulates floating-point instructions some ten times slower than others: the known energy is sought
# with a network that has few of them. What sampling costs is seen on one of a usual size: once there is a
# second thread, the C library's locks take some 200 instructions more an inference, whatever its size.
_SMALL, _USUAL = "linear", "loop"


@dataclass(frozen=True)
class Check:
    """Energy per inference as found and as known, and what sampling cost.

    Attributes:
        overhead: instructions of an inference beside sampling over those of one without, less one.
        thread: the sampling thread's own share of the instructions.
        state: the same for what is read of a device's state in every latency pass, as often as there.
    """

    energy: Energy
    known: float
    overhead: float
    thread: float
    state: float


def check_board(link: Link, profile: DeviceProfile) -> Check:
    """Sample the known sensor on a board, then count an inference with and without sampling."""
    programs = find_programs()
    with Launcher(link, build_runner(EXECUTORCH, "aarch64"), profile.work_folder) as launcher:
        small, usual = (_job(launcher, programs, name) for name in (_SMALL, _USUAL))
        with serve_sensor(link, profile) as path:
            lasting = replace(small, iterations=(1, 10**6), seconds=(WORK_SECONDS, WORK_SECONDS))
            energy, known = _measure_energy(launcher, lasting, path)
        plain = launcher.run(replace(usual, iterations=(4, 4)))
        lasting = replace(usual, iterations=(1, 10**6), seconds=(BESIDE_SECONDS, BESIDE_SECONDS))
        sampled = launcher.run(_sample(lasting, "/proc/loadavg", FILE_INTERVAL))
        state = launcher.run(_watch(lasting, find_watch(link, ())))
    return Check(
        energy=energy,
        known=known,
        overhead=_mean(sampled) / _mean(plain) - 1,
        thread=_share(sampled),
        state=_share(state) * _STATE_INTERVAL / INTERVAL,
    )


def _job(launcher: Launcher, programs: Path, name: str) -> Job:
    files = {file: programs / file for file in (f"{name}.pte", f"{name}.inputs.safetensors")}
    program, inputs = (f"{launcher.deploy(files)}/{file}" for file in files)
    return Job(kind="latency", program=program, inputs=inputs)


def find_programs() -> Path:
    """Folder of the small programs that the native tests run."""

    def make(folder: Path) -> None:
        subprocess.run([sys.executable, str(PROGRAMS), str(folder)], check=True, capture_output=True)

    parts = {name: version(name) for name in ("executorch", "torch")}
    return cached("test-programs", key_of({"script": file_sha256(PROGRAMS), **parts}), make)[0]


@contextmanager
def serve_sensor(link: Link, profile: DeviceProfile) -> Iterator[str]:
    """Run the synthetic sensor on the board; gives the path of its file there."""
    with tempfile.TemporaryDirectory() as temporary, make_run_folder(link, profile.work_folder) as folder:
        program = Path(temporary) / "sensor"
        compiler = ["aarch64-linux-gnu-g++", "-O2", "-static", "-o", str(program), str(SOURCE)]
        subprocess.run(compiler, check=True)
        link.push(program, f"{folder}/sensor", timeout=120)
        script = f"{folder}/sensor {folder}/power1_input >/dev/null 2>&1 & echo $!"
        # Started by a shell that stays: the sensor ends with its parent.
        started = link.run(
            ["sh", "-c", f"setsid sh -c '{script}; wait' >{folder}/pid 2>&1 & sleep 1"], timeout=60
        )
        started.check("starting the sensor")
        pid = link.run(["cat", f"{folder}/pid"], timeout=60).stdout.decode().strip()
        try:
            yield f"{folder}/power1_input"
        finally:
            link.run(["kill", pid], timeout=60)


def integrate(begin: float, end: float) -> float:
    """The known sensor's energy between two times of the board's clock, by calculus."""
    phase = 2 * math.pi / PERIOD
    return MEAN * (end - begin) + SWING * (math.cos(phase * begin) - math.cos(phase * end)) / phase


def _measure_energy(launcher: Launcher, job: Job, path: str) -> tuple[Energy, float]:
    probe = Probe(
        name="synthetic", quantity="power", site="board", form="number", scale=1e-6, described=f"file {path}"
    )
    result = launcher.run(_sample(job, path, _KNOWN_INTERVAL))
    found = find_power(result, (probe,), {})
    power = next(series for series in found.series if series.name == "power")
    times = result.times
    if times is None:
        raise RuntimeError("the runner measured nothing")
    begin, end = times.starts[0] * 1e-9, (times.starts[-1] + times.measured[-1]) * 1e-9
    energy = estimate_energy(trace_of(power), Phases((begin, end), len(times.measured)))
    if not isinstance(energy, Energy):
        raise RuntimeError(energy.missing)  # noqa: TRY004 - no wrong type: a claim that was refused
    return energy, integrate(begin, end) / len(times.measured)


def _sample(job: Job, path: str, interval: float) -> Job:
    return replace(job, sampling=Sampling(interval=interval, sensors=(JobSensor(files=(path,)),)))


def _watch(job: Job, watch: Watch) -> Job:
    watched = watch_job(job, watch)
    if watched.sampling is None:
        raise RuntimeError("the board shows nothing of its state")
    return replace(watched, sampling=replace(watched.sampling, interval=_STATE_INTERVAL))


def _share(result: Result) -> float:
    taken = result.sampled
    if taken is None:
        raise RuntimeError("the runner did not sample")
    return taken.cpu_time / (taken.ended - taken.began)


def _mean(result: Result) -> float:
    """Instructions of an inference, with what lies between two of them."""
    if result.times is None:
        raise RuntimeError("the runner measured nothing")
    times = result.times
    return (times.starts[-1] + times.measured[-1] - times.starts[0]) / len(times.measured)


def tell_check(check: Check) -> list[tuple[str, str]]:
    """A check as rows of a table."""
    found, gross = check.energy, check.energy.gross
    shown = [format_quantity(joules, "J") for joules in (gross.value, gross.low, gross.high)]
    return [
        ("energy per inference, known", format_quantity(check.known, "J")),
        ("energy per inference, found", f"{shown[0]} ({shown[1]} to {shown[2]})"),
        ("difference", f"{gross.value / check.known - 1:+.3%} (2 % are allowed)"),
        ("samples in the measured phase", f"{found.samples}, worth {found.independent:.0f} independent ones"),
        ("an inference beside sampling", f"{check.overhead:+.3%} instructions (1 % is allowed)"),
        (f"sampling a file every {FILE_INTERVAL:g} s", f"{check.thread:.3%} of the instructions"),
        (f"sampling the device's state every {INTERVAL:g} s", f"{check.state:.3%} of the instructions"),
    ]


def main() -> None:
    """Boot a board, check, print."""
    profile = load_profile("virt-pi5")
    with open_device(profile, preload={}) as link:
        check = check_board(link, profile)
    print_table("Energy of a known sensor, and what sampling costs, on a board", tell_check(check))


if __name__ == "__main__":
    main()
