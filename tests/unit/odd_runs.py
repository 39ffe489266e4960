"""Sets of runs that a report must bear: failed, unreached, alone, too many, with parts missing."""

from msgspec.structs import replace
from runs import DEVICE, make_run

from edgeq.results.records import Accuracy, Failure, Missing, RunWarning, Series


def pair(**changes):
    return [make_run("fp32", **changes), make_run("int8", latency=(100.0, 101.0, 102.0), **changes)]


def on_hardware(run, profile="raspberry-pi-5", values=(0.004, 0.005, 0.006)):
    series = Series(name="latency", unit="s", phase="measured", values=values, source="CLOCK_MONOTONIC")
    device = replace(DEVICE, kind="hardware", clock="wall", profile=profile)
    return replace(run, device=device, series=(series,))


FAILED = {
    "status": "failed",
    "error": Failure(
        stage="run", kind="RunnerError", message="InvalidProgram at load", hint="Export it again."
    ),
    "series": (),
    "memory": None,
    "operators": (),
    "outputs": None,
}
NO_ACCURACY = Accuracy(
    **{key: {"missing": "no evaluate()"} for key in ("eager", "converted", "host", "device")}
)
# On qemu-user nothing is timed.
_WHY = "qemu-user has no clock"
NO_CLOCK = {
    "device": replace(DEVICE, profile="emulator-a76", clock="none"),
    "series": (),
    "not_measured": {"latency": _WHY, "load": _WHY, "power": "it draws none"},
    "operators": Missing(missing=_WHY),
    "memory": replace(make_run().memory, rss_peak=Missing(missing="QEMU counts too")),
}

ODD = {
    "one run": [make_run()],
    "one inference": [make_run(latency=(200.0,)), make_run("int8", latency=(100.0,))],
    "no values": [make_run(latency=())],
    "zeros": [make_run(latency=(0.0, 0.0)), make_run("int8", latency=(0.0, 0.0))],
    "no operators": pair(operators=()),
    "no memory": pair(memory=None),
    "memory that does not add up": pair(memory=replace(make_run().memory, heap_peak=10**9)),
    "no outputs": pair(outputs=None),
    "no delegation": pair(artifact=replace(make_run().artifact, delegation=None, torch=None)),
    "one failed": [make_run(), make_run("int8", **FAILED)],
    "the base failed": [make_run(**FAILED), make_run("int8")],
    "all failed": [make_run(**FAILED), make_run("int8", **FAILED)],
    "not reached": [make_run(device=None, **FAILED)],
    "one recipe twice": [make_run(), make_run()],
    "nine recipes": [make_run(f"recipe{index}") for index in range(9)],
    "two artifacts": [*pair(), *pair(name="other")],
    "two devices": [*pair(), *[on_hardware(run) for run in pair()]],
    "a device not reached": [*pair(), make_run(device=None, **FAILED)],
    "a long series": [on_hardware(make_run(), values=tuple(0.001 + 1e-6 * i for i in range(3000)))],
    "no clock": pair(**NO_CLOCK),
    "warnings": pair(warnings=(RunWarning(code="not-agreed", message="they differ"),)),
}
