"""What a user chose of the run policy, and the spec that it makes on a device."""

from dataclasses import dataclass

from msgspec.structs import replace

from edgeq.devices.profile import AdbSpec, BoardSpec, DeviceProfile
from edgeq.errors import InputError
from edgeq.measure.latency import default_spec
from edgeq.measure.paired import Plan, default_round
from edgeq.results.records import Spec
from edgeq.results.signed_ranks import least_values
from edgeq.results.sweep import Setting
from edgeq.runner.app import Apk

# A run of a given length has no use for a bound on the number of inferences.
_ANY_NUMBER = 1_000_000_000
# What loading, warming up and writing the result may take beside the measured phase.
_SPARE_SECONDS = 120


@dataclass(frozen=True)
class Choices:
    """What the user chose of the run policy; None leaves the default of the device's clock.

    Attributes:
        threads: of the runner. With neither this nor `cpus` the device's profile says both.
        cpus: cores to pin it to; empty for no pinning.
        warmup: least inferences of the warm-up.
        warmup_seconds: least length of the warm-up.
        steady: whether the warm-up goes on until the device's rule for steady times holds; None where the
            clock has such a rule.
        iterations: measured inferences, exactly.
        seconds: length of the measured phase, however many inferences that are.
        rate: requests per second.
        pause: seconds between two inferences.
        passes: what to measure.
        timeout: seconds that a pass may take.
        wait: seconds to wait for another user of the device.
        tune: whether to set the device's governor and the like for the session.
        paired: how long to run all artifacts in rounds, or None for one after the other.
        settings: in rounds, threads and cores of each subject in turn; empty for `threads` and `cpus`.
        apk: the runner's app, to run inside of it on a phone; None for the native runner.
    """

    threads: int | None = None
    cpus: tuple[int, ...] | None = None
    warmup: int | None = None
    warmup_seconds: float | None = None
    steady: bool | None = None
    iterations: int | None = None
    seconds: float | None = None
    rate: float | None = None
    pause: float = 0.0
    passes: tuple[str, ...] = ("latency", "operators", "outputs")
    timeout: int = 600
    wait: float = 600.0
    tune: bool = False
    paired: Plan | None = None
    settings: tuple[Setting, ...] = ()
    apk: Apk | None = None


def resolve_spec(profile: DeviceProfile, choices: Choices) -> Spec:
    """The spec of a run on that device.

    Raises:
        InputError: the device cannot do what was chosen, or the choices exclude each other.
    """
    _check_device(profile, choices)
    _check_together(choices)
    spec = default_spec(profile.clock)
    if choices.paired is not None:
        spec = _find_round(profile, choices.paired, len(choices.settings))
    threads, cpus = _choose_cores(profile, choices)
    spec = replace(
        spec,
        threads=threads,
        cpus=cpus,
        passes=choices.passes,
        timeout=choices.timeout,
        rate=choices.rate,
        pause=choices.pause,
        in_app=choices.apk is not None,
    )
    return _choose_length(_choose_warmup(spec, choices), choices)


def _find_round(profile: DeviceProfile, plan: Plan, settings: int) -> Spec:
    if profile.clock == "none":
        raise InputError(f"{profile.name} has no clock: there is nothing to compare by")
    least = least_values(plan.level(settings))
    if profile.clock == "wall" and plan.rounds is not None and plan.rounds < least:
        of = f" of {settings} settings" if settings else ""
        raise InputError(f"{plan.rounds} rounds{of} cannot tell anything; it takes {least}")
    return default_round(profile.clock)


def _choose_cores(profile: DeviceProfile, choices: Choices) -> tuple[int, tuple[int, ...]]:
    if choices.threads is None and choices.cpus is None:
        return profile.run.threads, profile.run.cpus
    return choices.threads or 1, choices.cpus or ()


def _choose_warmup(spec: Spec, choices: Choices) -> Spec:
    least, most = spec.warmup_seconds
    if choices.warmup_seconds is not None:
        least, most = choices.warmup_seconds, max(most, choices.warmup_seconds)
    return replace(
        spec,
        warmup=spec.warmup if choices.warmup is None else choices.warmup,
        warmup_seconds=(least, most),
        steady=None if choices.steady is False else spec.steady,
    )


def _choose_length(spec: Spec, choices: Choices) -> Spec:
    if choices.seconds is not None:
        length = choices.seconds
        timeout = max(spec.timeout, int(length + spec.warmup_seconds[1] + _SPARE_SECONDS))
        return replace(
            spec, iterations=(1, _ANY_NUMBER), seconds=(length, length), agreement=None, timeout=timeout
        )
    if choices.iterations is not None:
        return replace(spec, iterations=(choices.iterations, choices.iterations), agreement=None)
    return spec


def _check_device(profile: DeviceProfile, choices: Choices) -> None:
    threads, cpus = _choose_cores(profile, choices)
    if choices.apk is not None and not isinstance(profile.link, AdbSpec):
        raise InputError(f"--in-app: {profile.name} is no phone over adb, and only Android has apps")
    if choices.apk is not None and cpus:
        raise InputError(
            f"--in-app: an app cannot choose its cores, and {', '.join(map(str, cpus))} were asked for",
            hint="leave out --cpus; for a profile that pins, say --threads N",
        )
    if isinstance(profile.link, BoardSpec) and (threads != 1 or any(cpus)):
        raise InputError(
            f"{profile.name} has one core, so that its clock counts instructions: it runs one thread",
            hint="leave out --threads and --cpus for this device",
        )
    timed = {
        "--rate": choices.rate,
        "--pause": choices.pause,
        "--seconds": choices.seconds,
        "--tune": choices.tune,
        "--warmup steady": choices.steady,
        "--warmup by time": choices.warmup_seconds,
    }
    if profile.clock != "wall" and (asked := [name for name, value in timed.items() if value]):
        raise InputError(
            f"{profile.name} has no clock that counts time: it cannot do {', '.join(asked)}",
            hint="these need a real device",
        )


def _check_together(choices: Choices) -> None:
    if choices.iterations is not None and choices.seconds is not None:
        raise InputError("--iterations and --seconds exclude each other: each says how long to measure")
    if choices.rate is not None and choices.pause:
        raise InputError("--rate and --pause exclude each other: a fixed rate leaves no pause to choose")
    if choices.paired is not None and choices.seconds is not None:
        raise InputError(
            "--paired and --seconds exclude each other: a round is short, a long run is one piece"
        )
    if choices.paired is not None and choices.steady:
        raise InputError(
            "--paired and --warmup steady exclude each other: a round is too short to wait for steady times",
            hint="name a number of inferences or a length of time, e.g. --warmup 20 or --warmup 1s",
        )
    if choices.paired is not None and "latency" not in choices.passes:
        raise InputError("--paired compares latencies: --measure must name latency")
