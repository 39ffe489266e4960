"""What the tests of the Android runner share: its classes, compiled once."""

import pytest
from desktop_java import JUNIT, MAIN, TESTS, compile_java


@pytest.fixture(scope="session")
def classes(tmp_path_factory):
    """Class path of the plain classes and their tests."""
    folder = tmp_path_factory.mktemp("classes")
    compile_java(folder, [*MAIN.glob("*.java"), *TESTS.glob("*.java")], JUNIT)
    return f"{folder}:{JUNIT}"
