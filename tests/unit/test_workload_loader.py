"""The loader finds workloads and reports the user's mistakes as the user's; no torch here."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.errors import CalibrationError, WorkloadError
from edgeq.workload.loader import load_workload

WHOLE = """
def model():
    return "network"

def example_inputs():
    return (1, 2)
"""


def write(folder: Path, text: str, name: str = "mine.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_file_gives_its_functions_and_its_name(tmp_path):
    workload = load_workload(write(tmp_path, WHOLE))
    assert workload.name == "mine"
    assert workload.source == tmp_path / "mine.py"
    assert workload.model() == "network"
    assert workload.example_inputs() == (1, 2)
    assert workload.calibration is None
    assert workload.evaluate is None


def test_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("VALUE = 7\n")
    text = WHOLE.replace('return "network"', "import neighbour_of_mine; return neighbour_of_mine.VALUE")
    assert load_workload(write(tmp_path, text)).model() == 7


def write_twins(tmp_path: Path, module: str, text: str) -> list[str]:
    files = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        write(folder, f"NAME = {name!r}\n", f"{module}.py")
        files.append(write(folder, text, f"of_{name}.py"))
    return files


def test_neighbours_of_one_name_in_two_folders_are_refused(tmp_path):
    text = WHOLE.replace('"network"', "twin_at_top.NAME")
    first, second = write_twins(tmp_path, "twin_at_top", "import twin_at_top\n" + text)
    assert load_workload(first).model() == "first"
    with pytest.raises(WorkloadError) as caught:
        load_workload(second)
    for name in ("first", "second"):
        assert str(tmp_path / name / "twin_at_top.py") in caught.value.message


def test_neighbours_of_one_name_are_refused_when_a_function_imports_them(tmp_path):
    text = WHOLE.replace('return "network"', "import twin_inside; return twin_inside.NAME")
    first, second = map(load_workload, write_twins(tmp_path, "twin_inside", text))
    for workload in (first, second):
        with pytest.raises(WorkloadError, match="import twin_inside"):
            workload.model()


def test_neighbours_that_are_not_imported_may_have_one_name(tmp_path):
    first, second = map(load_workload, write_twins(tmp_path, "twin_unused", WHOLE))
    assert first.model() == second.model() == "network"


def test_dotted_module_is_found_from_the_working_folder(tmp_path, monkeypatch):
    package = tmp_path / "loader_pkg"
    package.mkdir()
    (package / "__init__.py").touch()
    write(package, WHOLE, "net.py")
    monkeypatch.chdir(tmp_path)
    workload = load_workload("loader_pkg.net")
    assert workload.name == "net"
    assert workload.example_inputs() == (1, 2)


@pytest.mark.parametrize("spec", ["nowhere.py", "nowhere.pt2", "no_such_module_here", "some/folder", "a b"])
def test_what_is_not_there_is_named(spec):
    with pytest.raises(WorkloadError) as caught:
        load_workload(spec)
    assert spec in caught.value.message
    assert "digits" in (caught.value.hint or "")


@pytest.mark.parametrize("missing", ["model", "example_inputs"])
def test_missing_function_is_named_with_the_file(tmp_path, missing):
    with pytest.raises(WorkloadError, match=rf"mine\.py has no function {missing}\(\)"):
        load_workload(write(tmp_path, WHOLE.replace(f"def {missing}", "def other")))


def test_optional_function_that_is_no_function_is_refused(tmp_path):
    with pytest.raises(WorkloadError, match="calibration is not a function"):
        load_workload(write(tmp_path, WHOLE + "calibration = [1]\n"))


def test_import_that_raises_shows_the_line_and_the_exception(tmp_path):
    with pytest.raises(WorkloadError) as caught:
        load_workload(write(tmp_path, WHOLE + "\nraise ValueError('no such weights')\n"))
    assert "ValueError: no such weights" in caught.value.message
    assert "mine.py:8: raise ValueError('no such weights')" in caught.value.message


def test_import_that_leaves_python_is_an_error_not_an_exit(tmp_path):
    with pytest.raises(WorkloadError, match="SystemExit: 3"):
        load_workload(write(tmp_path, "import sys\nsys.exit(3)\n"))


def test_syntax_error_names_file_and_line(tmp_path):
    with pytest.raises(WorkloadError, match=r"SyntaxError.*mine\.py, line 2"):
        load_workload(write(tmp_path, "x = 1\ndef (:\n"))


def test_module_that_lacks_an_import_of_its_own_is_not_reported_as_missing(tmp_path, monkeypatch):
    write(tmp_path, "import a_package_that_is_not_there\n", "wants_more.py")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkloadError, match=r"wants_more could not be imported.*a_package_that_is_not_there"):
        load_workload("wants_more")


def test_function_that_raises_later_shows_the_line(tmp_path):
    text = WHOLE.replace('return "network"', "return load()") + "\ndef load():\n    raise OSError('gone')\n"
    workload = load_workload(write(tmp_path, text))
    with pytest.raises(WorkloadError) as caught:
        workload.model()
    assert "mine.py: model() raised: OSError: gone" in caught.value.message
    assert "raise OSError('gone')" in caught.value.message


def test_generator_that_raises_while_it_is_read_shows_the_line(tmp_path):
    text = WHOLE + "\ndef calibration():\n    yield (1,)\n    raise OSError('end of tape')\n"
    workload = load_workload(write(tmp_path, text))
    assert workload.calibration is not None
    samples = iter(workload.calibration())
    assert next(samples) == (1,)
    with pytest.raises(WorkloadError, match=r"calibration\(\) raised: OSError: end of tape"):
        next(samples)


def test_calibration_may_be_read_twice(tmp_path):
    workload = load_workload(write(tmp_path, WHOLE + "\ndef calibration():\n    yield from [(1,), (2,)]\n"))
    assert workload.calibration is not None
    assert list(workload.calibration()) == list(workload.calibration()) == [(1,), (2,)]


def test_calibration_that_cannot_be_iterated_is_refused(tmp_path):
    workload = load_workload(write(tmp_path, WHOLE + "\ndef calibration():\n    return 5\n"))
    assert workload.calibration is not None
    with pytest.raises(WorkloadError, match="returned int, which cannot be iterated"):
        list(workload.calibration())


def test_example_inputs_must_be_a_tuple(tmp_path):
    workload = load_workload(write(tmp_path, WHOLE.replace("return (1, 2)", "return [1, 2]")))
    with pytest.raises(WorkloadError, match="returned list, not a tuple"):
        workload.example_inputs()


def test_errors_of_edgeq_pass_through_the_users_function(tmp_path):
    text = WHOLE + "\ndef evaluate(predict):\n    return predict(1)\n"
    workload = load_workload(write(tmp_path, text))

    def refuse(_):
        raise CalibrationError("ours")

    assert workload.evaluate is not None
    with pytest.raises(CalibrationError, match="ours"):
        workload.evaluate(refuse)


def test_loading_a_plain_file_imports_no_torch(tmp_path):
    code = (
        "import sys; from edgeq.workload.loader import load_workload; import edgeq.compile.recipe; "
        "load_workload(sys.argv[1]); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, write(tmp_path, WHOLE)], check=False)
    assert done.returncode == 0
