"""Sets of files on every kind of device."""

import pytest

from edgeq.devices.deploy import deploy_folder, make_run_folder, store_path


@pytest.fixture
def files(tmp_path):
    (tmp_path / "program").write_bytes(b"#!/bin/sh\necho ran\n")
    (tmp_path / "program").chmod(0o755)
    (tmp_path / "data").write_bytes(b"0123456789" * 1000)
    return {"program": tmp_path / "program", "parts/data": tmp_path / "data"}


def test_set_is_sent_once_and_programs_in_it_run(link, remote, files):
    sent = []
    folder = deploy_folder(link, remote, files, lambda done, total: sent.append((done, total)))
    assert folder == store_path(remote, files)
    assert sent[-1] == (10_019, 10_019)
    assert link.run([f"{folder}/program"], timeout=60).stdout == b"ran\n"
    sent.clear()
    assert deploy_folder(link, remote, files, lambda *at: sent.append(at)) == folder
    assert sent == []


def test_damaged_file_is_sent_again_and_only_that(link, remote, files):
    folder = deploy_folder(link, remote, files)
    link.run(["sh", "-c", f"echo bad >'{folder}/parts/data'"], timeout=60).check("damaging")
    sent = []
    deploy_folder(link, remote, files, lambda *at: sent.append(at))
    assert sent[-1] == (10_000, 10_000)
    assert link.run(["cat", f"{folder}/parts/data"], timeout=60).stdout == files["parts/data"].read_bytes()


def test_work_folder_is_for_its_owner_only(link, remote, files):
    deploy_folder(link, f"{remote}/work", files)
    assert link.run(["stat", "-c", "%a", f"{remote}/work"], timeout=60).stdout == b"700\n"


def test_run_folders_differ_and_go_also_after_an_error(link, remote):
    def fail():
        with make_run_folder(link, remote) as one, make_run_folder(link, remote) as two:
            assert one != two
            link.run(["touch", f"{one}/file"], timeout=60).check("touch")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert link.run(["ls", "-A", remote], timeout=60).stdout == b""
