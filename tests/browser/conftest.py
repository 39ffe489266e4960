from pathlib import Path

import pytest
from browser.chromium import Chromium


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> dict[str, Path]:
    """One of each kind of page, by name; the long ones from a site of 40 runs."""
    from browser.documents import write_pages

    return write_pages(tmp_path_factory.mktemp("pages"))
