"""What phones say of themselves, and which of them will do; texts written from Android's documentation."""

import pytest

from edgeq.devices.adb.client import parse_devices
from edgeq.devices.adb.phone import judge_needs, name_model, name_system, parse_properties

PROPERTIES = """[ro.build.version.release]: [14]
[ro.build.version.sdk]: [34]
[ro.product.cpu.abilist]: [arm64-v8a,armeabi-v7a,armeabi]
[ro.product.cpu.abilist64]: [arm64-v8a]
[ro.product.manufacturer]: [Google]
[ro.product.model]: [Pixel 8]
[ro.vendor.note]: [two
lines]
[empty]: []
"""
FOLDER = "/data/local/tmp/edgeq"


def judge(properties=PROPERTIES, **answers):
    rest = {"page": "4096", "cores": "0-8\n0-8", "executable": "ran"}
    return {need.name: need for need in judge_needs({"properties": properties} | rest | answers, FOLDER)}


def problems(**answers):
    return [need.problem for need in judge(**answers).values() if need.problem is not None]


def test_properties_are_read_line_by_line():
    properties = parse_properties(PROPERTIES)
    assert properties["ro.product.model"] == "Pixel 8"
    assert properties["empty"] == ""
    assert "ro.vendor.note" not in properties
    assert parse_properties("Linux\n[half\n]: [x]") == {}


@pytest.mark.parametrize(
    ("maker", "model", "name"),
    [
        ("Google", "Pixel 8", "Google Pixel 8"),
        ("Nokia", "nokia G42", "nokia G42"),
        ("", "", "unknown"),
        ("x", "", "x"),
    ],
)
def test_phone_is_named_by_maker_and_model(maker, model, name):
    assert name_model({"ro.product.manufacturer": maker, "ro.product.model": model}) == name


def test_system_is_named_by_release_and_api():
    assert name_system(parse_properties(PROPERTIES)) == "Android 14 (API 34)"
    assert name_system({}) == "Android unknown (API unknown)"


def test_phone_that_has_all_is_taken():
    assert problems() == []
    assert [need.found for need in judge().values()] == [
        "arm64-v8a", "Android 14 (API 34)", "4096 bytes", FOLDER, "0-8",
    ]  # fmt: skip


@pytest.mark.parametrize("page", ["16384", "KernelPageSize:        4 kB", "", "65536"])
def test_pages_up_to_the_alignment_of_the_libraries_will_do(page):
    assert problems(page=page) == []


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"properties": PROPERTIES.replace("[arm64-v8a]", "[]")}, "a 32-bit one"),
        ({"properties": PROPERTIES.replace("[arm64-v8a]", "[x86_64]")}, "an x86 one"),
        ({"properties": PROPERTIES.replace("[arm64-v8a]", "[riscv64]")}, "another one"),
        ({"properties": ""}, "it names nothing"),
        ({"properties": PROPERTIES.replace("[34]", "[25]")}, "API 25"),
        ({"properties": PROPERTIES.replace("[34]", "[٣٤]")}, "Android 8"),
        ({"page": "131072"}, "131072 bytes"),
        ({"executable": "sh: can't execute: Permission denied"}, "no program may run"),
        ({"executable": ""}, "no program may run"),
        ({"cores": ""}, "XNNPACK backend is not available"),
    ],
)
def test_phone_that_lacks_something_is_refused_by_name(answers, complaint):
    assert any(complaint in problem for problem in problems(**answers))


def test_phones_are_listed_with_their_states():
    text = (
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
        "List of devices attached\n8A1X0B2C\tdevice\n192.168.1.7:5555\tunauthorized\r\n"
        "12345\tno permissions (user in plugdev group; are your udev rules wrong?); see [link]\n\n"
    )
    assert parse_devices(text) == {
        "8A1X0B2C": "device",
        "192.168.1.7:5555": "unauthorized",
        "12345": "no permissions",
    }
