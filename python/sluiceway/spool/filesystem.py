"""Whether a directory lies on another machine: there flock may lock nothing and fsync may promise nothing."""

from __future__ import annotations

import os

_NETWORK = frozenset(
    {"9p", "afs", "ceph", "cifs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "sshfs"}
)


def is_on_a_network(device: int) -> bool:
    """Whether the device number of a directory is a network file system's. False where the system does not tell."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            return kind_of(device, mounts.read()) in _NETWORK
    except OSError:
        return False


def kind_of(device: int, mounts: str) -> str:
    """Return the type of the file system with a device number, as `/proc/self/mountinfo` has it, or nothing."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        # Fields after a lone hyphen, whose number before it varies: type, source, options.
        mount, _, kind = line.partition(" - ")
        fields = mount.split(" ", 3)
        if len(fields) > 3 and fields[2] == number and kind:
            return kind.split(" ", 1)[0].removeprefix("fuse.")
    return ""
