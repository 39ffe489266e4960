import pytest

from edgeq.devices.deploy import store_path


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("content")
    return path


def test_path_depends_on_name_content_and_being_a_program(file):
    paths = {store_path("/work", {"a": file}), store_path("/work", {"b": file})}
    file.chmod(0o755)
    paths.add(store_path("/work", {"a": file}))
    file.write_text("other")
    paths.add(store_path("/work", {"a": file}))
    assert len(paths) == 4
    assert all(path.startswith("/work/store/") for path in paths)


def test_equal_sets_meet_in_one_folder_whatever_their_order(file, tmp_path):
    copy = tmp_path / "copy"
    copy.write_text("content")
    one, other = {"a": file, "b": copy}, {"b": file, "a": copy}
    assert store_path("/work", one) == store_path("/work", other)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a/../../b", "a//b", "./a", "..", "."])
def test_name_that_leaves_the_folder_is_refused(file, name):
    with pytest.raises(ValueError, match="no path within"):
        store_path("/work", {name: file})
