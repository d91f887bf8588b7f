"""What stands between a program and its vendor, looked at piece by piece: the rooms behind `sluiceway doctor`."""
