"""Row 74: a directory that is not safe, or where nothing can be stored, is refused when the client is made."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import ConfigError
from sluiceway.spool import filesystem, settings
from sluiceway.spool.settings import ALLOW_NFS, checked_directory, destination

from .batches import FakeClock, batch, made, spool_in


def refused(path: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        checked_directory(path)
    assert caught.value.field == "spool_dir"
    return str(caught.value)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_row_74_missing_directories_are_made_and_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory = Path(checked_directory(tmp_path / "a" / "b"))
        spool = spool_in(directory)
        assert spool.write(batch("one"))
    finally:
        os.umask(before)
    for path in [directory, *directory.rglob("*")]:
        assert mode_of(path) == (0o700 if path.is_dir() else 0o600), path
    spool.close()


def test_row_74_a_umask_that_takes_everything_takes_nothing_here(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        directory = Path(checked_directory(tmp_path / "spool"))
        spool = spool_in(directory)
        entry = spool.write(batch("one"))
    finally:
        os.umask(before)
    assert entry is not None
    assert spool.read(entry) == batch("one")
    for path in [directory, *directory.rglob("*")]:
        assert mode_of(path) == (0o700 if path.is_dir() else 0o600), path
    spool.close()


def test_relative_paths_and_the_home_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checked_directory("here/../spool/") == str(tmp_path / "spool")
    assert checked_directory("~/mine") == str(tmp_path / "mine")
    assert checked_directory(Path("there")) == str(tmp_path / "there")
    assert (tmp_path / "spool" / "v1" / "quarantine").is_dir()


@pytest.mark.parametrize("path", [None, 3, b"/tmp/spool", "", "a\0b", "a\ud800b"])
def test_what_is_no_path_is_refused(path: Any) -> None:
    refused(path)


def test_row_74_the_table(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(target)
    assert "symbolic link" in refused(tmp_path / "link")
    (tmp_path / "file").write_text("")
    assert "not a directory" in refused(tmp_path / "file")
    assert "cannot be made" in refused(tmp_path / "file" / "below")
    os.mkfifo(tmp_path / "fifo")
    assert "not a directory" in refused(tmp_path / "fifo")
    for mode in (0o777, 0o770, 0o702):
        open_to_others = tmp_path / f"{mode:o}"
        open_to_others.mkdir()
        open_to_others.chmod(mode)
        assert f"mode {mode:04o}" in refused(open_to_others)
        assert "chmod 700" in refused(open_to_others)
    readable = tmp_path / "readable"
    readable.mkdir()
    readable.chmod(0o755)
    checked_directory(readable)  # names can be seen; what is in it cannot


@pytest.mark.parametrize("inner", ["v1", "v1/quarantine"])
@pytest.mark.parametrize("kind", ["link", "file", "open"])
def test_row_74_the_directories_inside_are_looked_at_as_well(tmp_path: Path, inner: str, kind: str) -> None:
    directory = Path(made(tmp_path))
    place = directory / inner
    if kind == "open":
        place.chmod(0o722)
    else:
        for below in sorted(place.rglob("*"), reverse=True):
            below.rmdir()
        place.rmdir()
        place.symlink_to(tmp_path) if kind == "link" else place.write_text("")
    assert f"/{Path(inner).name} in it" in refused(directory)


def test_row_74_a_strangers_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = made(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 4_242)
    assert "process is user 4242" in refused(directory)
    spool = spool_in(directory)  # made before, swapped since
    assert spool.write(batch("one")) is None
    assert spool.degraded == "EPERM"


@pytest.mark.parametrize(("error", "passes"), [(errno.EROFS, False), (errno.EACCES, False), (errno.ENOSPC, True)])
def test_row_74_where_nothing_can_be_written_is_refused_but_a_full_disk_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, passes: bool
) -> None:
    class Disk(type(settings.REAL_DISK)):  # type: ignore[misc]
        def create(self, name: str, at: int) -> int:
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr(settings, "REAL_DISK", Disk())
    if passes:
        checked_directory(tmp_path / "spool")
    else:
        assert errno.errorcode[error] in refused(tmp_path / "spool")


def test_row_74_a_read_only_mount_is_refused(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o ro,mode=0700 none {mount} 2>/dev/null"):
        pytest.skip("needs root and mount(2)")
    try:
        assert "EROFS" in refused(mount)
    finally:
        os.system(f"umount {mount}")


def test_row_75_without_flock_and_on_the_network_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk(type(settings.REAL_DISK)):  # type: ignore[misc]
        def lock(self, descriptor: int) -> bool:
            raise OSError(errno.ENOLCK, "no locks")

    with monkeypatch.context() as patch:
        patch.setattr(settings, "REAL_DISK", Disk())
        assert "without flock" in refused(tmp_path / "spool")
    monkeypatch.setattr(settings, "is_on_a_network", lambda device: True)
    assert ALLOW_NFS in refused(tmp_path / "spool")
    monkeypatch.setenv(ALLOW_NFS, "1")
    checked_directory(tmp_path / "spool")


def test_row_75_the_kind_of_a_file_system_is_read_from_the_mounts() -> None:
    mounts = (
        "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "36 22 0:32 / /mnt/a\\040b rw shared:2 master:1 - nfs4 server:/x rw\n"
        "37 22 0:33 / /mnt/s rw - fuse.sshfs host:/ rw\n"
        "broken line\n"
    )
    assert filesystem.kind_of(os.makedev(254, 1), mounts) == "ext4"
    assert filesystem.kind_of(os.makedev(0, 32), mounts) == "nfs4"
    assert filesystem.kind_of(os.makedev(0, 33), mounts) == "sshfs"
    assert filesystem.kind_of(os.makedev(9, 9), mounts) == ""
    assert not filesystem.is_on_a_network(os.stat("/proc").st_dev)


def test_row_74_a_path_that_was_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    directory = Path(made(tmp_path))
    elsewhere = Path(made(tmp_path / "else"))
    clock = FakeClock()
    spool = spool_in(directory, clock=clock)
    directory.rename(tmp_path / "moved")
    directory.symlink_to(elsewhere)
    assert spool.write(batch("one")) is None
    assert spool.degraded in {"ELOOP", "ENOTDIR"}
    assert list(elsewhere.rglob("*.b")) == []
    directory.unlink()
    (tmp_path / "moved").rename(directory)
    clock.pass_seconds(10)
    assert spool.write(batch("one"))
    directory.rename(tmp_path / "moved")  # held open by now: the path is not walked again
    directory.symlink_to(elsewhere)
    assert spool.write(batch("two"))
    assert list(elsewhere.rglob("*.b")) == []
    spool.close()


def test_row_78_destinations_differ_in_every_part_and_tell_none_of_them() -> None:
    parts = ["segment", "api.segment.io", "/v1/batch", "canary-key"]
    ours = destination(*parts)
    assert len(ours) == 16
    assert ours == destination(*parts)
    others = {destination(*parts[:at], parts[at] + "x", *parts[at + 1 :]) for at in range(4)}
    others.add(destination("segmen", "tapi.segment.io", "/v1/batch", "canary-key"))
    assert len(others | {ours}) == 6


def test_the_key_is_in_no_file(tmp_path: Path) -> None:
    directory = made(tmp_path)
    spool = spool_in(directory, whose=destination("segment", "host", "/", "canary-key"))
    assert spool.write(batch("one"))
    contents = [path.read_bytes() for path in Path(directory).rglob("*") if path.is_file()]
    assert len(contents) == 2
    assert not any(b"canary" in data for data in contents)
    spool.close()
