"""The page of `sluiceway dev` in a browser. A package, so that the browser ends with the last of its tests."""
