"""`edgeq energy` as a user meets it: a bench meter's CSV laid over a run that `--measure power` made."""

import subprocess
import sys

import numpy as np
import pytest
from msgspec.structs import replace
from runs import make_run

from edgeq.report.files import read_report
from edgeq.results.records import Conditions, Reading, Series, encode_report


def edgeq(*arguments):
    command = [sys.executable, "-m", "edgeq", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def make_metered(run_id="a" * 32, **changes):
    shared = {"phase": "sampled", "source": "CLOCK_MONOTONIC, power pass"}
    inferences = tuple(1006 + 0.1 * n for n in range(100))
    series = (
        Series(name="inference", unit="s", values=(0.1,) * 100, times=inferences, **shared),
        Series(name="idle", unit="s", values=(5.0, 5.0), times=(1000.0, 1016.0), **shared),
    )
    gaps = {"power": "no sensor", "energy": "no sensor", "clock": "none"}
    return replace(make_run(), id=run_id, series=series, not_measured=gaps, **changes)


@pytest.fixture
def folder(tmp_path):
    """A report of one run, and a meter that saw 1 W of rest and 3 W of work on a clock 500 s behind."""
    (tmp_path / "report.json").write_bytes(encode_report([make_metered()]))
    times = np.arange(990.0, 1030.0, 0.02)
    level = np.where((times > 1005.5) & (times < 1016), 3.0, 1.0)
    noise = np.random.default_rng(0).normal(0, 0.05, times.size)
    rows = [f"{t - 500:.3f},5.0,{w / 5:.6f}" for t, w in zip(times, level + noise, strict=True)]
    (tmp_path / "meter.csv").write_text("\n".join(["t,V,A", *rows]) + "\n")
    return tmp_path


def ask(folder, *more):
    return edgeq(
        "energy", folder / "report.json", "--csv", folder / "meter.csv", "--time", "t",
        "--power", "V", "--power", "A", "--site", "supply", *more,
    )  # fmt: skip


def test_recording_gives_the_energy_of_an_inference_in_a_report_of_its_own(folder):
    answer = ask(folder, "--meter", "ppk", "--uncertainty", "1%", "--out", folder / "new" / "report.json")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "power and energy" in answer.stdout
    assert "ppk (supply)" in answer.stdout
    (old,), (new,) = (read_report(folder / name / "report.json").runs for name in ("", "new"))
    energy = new.find_series("energy")
    assert np.mean(energy.values) == pytest.approx(0.2, rel=0.02), "2 W above rest for 0.1 s"
    assert "uncertainty of 1.00% is in no interval" in energy.source
    assert new.id != old.id
    assert new.not_measured == {"clock": "none"}
    (warning,) = [warning for warning in new.warnings if warning.code == "meter"]
    assert warning.facts["run"] == old.id
    assert warning.facts["offset"] == pytest.approx(500, abs=0.1)
    power = new.find_series("power", "sampled")
    assert 999.9 < power.times[0] <= 1000.0
    assert 1021.0 <= power.times[-1] < 1021.1


def test_recording_in_which_work_does_not_stand_out_is_no_claim(folder):
    rows = [f"{t},{1 + 0.001 * (t % 2)}" for t in range(490, 530)]
    (folder / "meter.csv").write_text("\n".join(["t,W", *rows]) + "\n")
    answer = edgeq(
        "energy", folder / "report.json", "--csv", folder / "meter.csv", "--time", "t", "--power", "W",
        "--site", "board", "--out", folder / "new.json",
    )  # fmt: skip
    assert answer.returncode == 6
    assert "gives no energy for this run: work stands out of rest by" in answer.stderr
    assert "--offset" in answer.stderr
    assert answer.stdout == ""
    assert not (folder / "new.json").exists()


def test_too_few_samples_are_no_claim(folder):
    lines = (folder / "meter.csv").read_text().splitlines()
    (folder / "meter.csv").write_text("\n".join([lines[0], *lines[1::100]]) + "\n")
    answer = ask(folder, "--offset", "500")
    assert answer.returncode == 6
    assert "too few samples" in answer.stderr


@pytest.mark.parametrize(("site", "code"), [("battery", 6), ("supply", 0)])
def test_battery_of_a_device_on_usb_power_tells_only_a_part(folder, site, code):
    fed = Conditions(before={"usb": Reading(value="online")})
    (folder / "report.json").write_bytes(encode_report([make_metered(conditions=fed)]))
    answer = ask(folder, "--site", site)
    assert answer.returncode == code
    assert ("usb power was connected" in answer.stderr) == (code == 6)


def test_one_of_several_runs_is_named_by_its_id(folder):
    runs = [make_metered("a" * 32), make_metered("b" * 32)]
    (folder / "report.json").write_bytes(encode_report(runs))
    answer = ask(folder)
    assert answer.returncode == 2
    assert "the report holds 2 runs" in answer.stderr
    assert "bbbbbbbbbbbb" in answer.stderr
    assert ask(folder, "--run", "bb").returncode == 0
    assert ask(folder, "--run", "cc").returncode == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--site", "moon"), "there are: soc"),
        (("--uncertainty", "much"), "write it like 1%"),
        (("--time", "x"), "there are: t, V, A"),
        (("--csv", "none.csv"), "cannot read"),
    ],
)
def test_mistakes_are_named(folder, options, said):
    answer = ask(folder, *options)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_meter_whose_clock_jumps_is_refused_or_makes_no_claim(folder):
    lines = (folder / "meter.csv").read_text().splitlines()
    ahead = [f"{float(line.partition(',')[0]) + 4},{line.partition(',')[2]}" for line in lines[1000:]]
    (folder / "meter.csv").write_text("\n".join([*lines[:1000], *ahead]) + "\n")
    answer = ask(folder, "--offset", "500")
    assert answer.returncode == 6
    assert "no sample near them" in answer.stderr
    back = [f"{float(line.partition(',')[0]) - 4},{line.partition(',')[2]}" for line in lines[1000:]]
    (folder / "meter.csv").write_text("\n".join([*lines[:1000], *back]) + "\n")
    answer = ask(folder)
    assert (answer.returncode, "do not ascend" in answer.stderr) == (2, True)
