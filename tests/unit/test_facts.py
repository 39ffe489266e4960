"""What devices answer, taken apart; each file in fixtures/devices says whether it was recorded or written."""

import tomllib
from pathlib import Path

import pytest

from edgeq.devices import probe
from edgeq.devices.add import choose_base
from edgeq.devices.profile import SshSpec, load_profile

FOLDER = Path(__file__).parents[1] / "fixtures" / "devices"
FILES = sorted(FOLDER.glob("*.toml"))
DEVICES = {path.stem: tomllib.loads(path.read_text()) for path in FILES}


def facts_of(name):
    return probe.parse_facts(DEVICES[name]["answers"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recorded_text_says_where_it_is_from(path):
    first = path.read_text().split("\n")[0]
    assert first.startswith(("# Recorded from ", "# Written from documentation, not recorded: "))


@pytest.mark.parametrize("name", DEVICES)
def test_device_is_understood(name):
    facts, expected = facts_of(name), DEVICES[name]["expected"]
    for key in ("arch", "cpu", "model", "os", "libc", "page"):
        assert getattr(facts, key) == expected[key], key
    assert facts.bits == expected.get("bits")
    assert [
        {"name": each.name, "cpus": list(each.cpus), "max_hz": each.max_hz, "features": list(each.features)}
        for each in facts.clusters
    ] == [{"max_hz": None, **each} for each in expected["clusters"]]
    assert set(expected["has"]) <= set(facts.features)
    assert not set(expected["lacks"]) & set(facts.features)
    assert 0 < facts.memory["MemAvailable"] < facts.memory["MemTotal"]
    assert facts.free_disk > 100_000_000


@pytest.mark.parametrize("name", DEVICES)
def test_the_shipped_profile_that_fits_is_found(name):
    assert choose_base(SshSpec(host="x"), facts_of(name)) == DEVICES[name]["expected"]["base"]


@pytest.mark.parametrize(
    "name", sorted(DEVICES.keys() - {"raspberry-pi-4-32-bit-system", "phone-three-clusters"})
)
def test_shipped_profile_says_of_its_device_what_the_device_says(name):
    profile, facts = load_profile(name), facts_of(name)
    assert sorted(profile.features) == list(facts.features)
    assert [(each.name, each.cpus, each.max_hz) for each in profile.cores] == [
        (each.name, each.cpus, each.max_hz) for each in facts.clusters
    ]


@pytest.mark.parametrize(
    "question", ["cpuinfo", "clocks", "bits", "page", "memory", "disk", "os", "libc", "properties"]
)
@pytest.mark.parametrize("answer", ["", "\N{SUPERSCRIPT TWO}", "9" * 5000, "processor : x\n", "[a]: [b]"])
def test_strange_answer_is_no_error(question, answer):
    answers = DEVICES["virt-pi5"]["answers"] | {question: answer}
    facts = probe.parse_facts(answers)
    assert facts.kernel == "Linux 6.1.0-56-cloud-arm64"


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("KernelPageSize:       16 kB", 16384), ("64", 64), ("", None), ("undefined", None)],
)
def test_numbers_of_getconf_and_of_proc_are_read(text, size):
    assert probe.parse_bytes(text) == size
