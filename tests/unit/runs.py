"""Run documents made by hand, for tests of what is made from them."""

from msgspec.structs import replace

from edgeq.results.records import (
    Accuracy,
    Agreement,
    ArtifactInfo,
    Conditions,
    Delegation,
    DeviceInfo,
    LeftOut,
    Memory,
    Missing,
    Operator,
    OutputCheck,
    Reading,
    Run,
    Series,
    Spec,
)

DEVICE = DeviceInfo(
    profile="virt-pi5",
    kind="emulated",
    clock="instructions",
    arch="aarch64",
    cpu="Cortex-A76",
    features=("asimd", "asimddp"),
    model="linux,dummy-virt",
    os="Debian GNU/Linux 12",
    kernel="6.1.0",
    libc="glibc 2.36",
)
SPEC = Spec(
    threads=1,
    cpus=(),
    warmup=2,
    iterations=(3, 30),
    seconds=(0.0, 120.0),
    agreement=Agreement(window=3, spread=0.001),
    passes=("latency", "operators", "outputs"),
)

CONVOLUTION = Operator(
    name="Convolution",
    kernel="Convolution (NHWC, F32) IGEMM #1",
    module="features.0",
    delegated=True,
    precision="fp32",
    count=1,
    total=150.0,
    unit="insn",
)


def make_run(
    recipe="fp32", *, name="digits", latency=(200.0, 202.0, 204.0), rss_peak=8_000_000, **changes
) -> Run:
    run = Run(
        id="0" * 32,
        created="2026-11-23T12:00:00+00:00",
        status="ok",
        artifact=make_artifact(name, recipe),
        device=DEVICE,
        spec=SPEC,
        conditions=Conditions(
            before={"load": Reading(value=0.5, unit="1"), "governor": Reading(missing="no cpufreq")},
            after={"load": Reading(value=0.7, unit="1"), "governor": Reading(missing="no cpufreq")},
        ),
        series=(
            Series(name="first", unit="insn", phase="measured", values=(300.0,), source="test"),
            Series(name="latency", unit="insn", phase="measured", values=latency, source="test"),
        ),
        memory=Memory(
            program=1000,
            arena=64,
            heap_loaded=2048,
            heap_peak=4096,
            rss_start=3_000_000,
            rss_peak=rss_peak,
        ),
        operators=(CONVOLUTION,),
        outputs=OutputCheck(
            within=True,
            max_abs_error=0.001,
            sqnr_db=70.0,
            top1_agreement=1.0,
            samples=8,
            bound="SQNR of 60 dB",
        ),
    )
    return replace(run, **changes)


def make_artifact(name, recipe) -> ArtifactInfo:
    rungs = {"top1": 0.98}
    return ArtifactInfo(
        name=name,
        recipe=recipe,
        sha256="ab" * 32,
        bytes=1000 if recipe == "fp32" else 300,
        executorch="1.5.1",
        torch="2.13.0",
        delegation=Delegation(
            delegated=9, total=10, left_out=(LeftOut(op="aten.mean.dim", count=1, reason="no keepdim"),)
        ),
        accuracy=Accuracy(eager=rungs, converted=rungs, host=rungs, device=rungs),
    )


def hide_memory(run: Run) -> Run:
    return replace(run, memory=replace(run.memory, rss_peak=Missing(missing="hidden by the kernel")))
