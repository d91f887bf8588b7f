"""The disk spool: one file for each sealed batch, so that the end of a process is not the end of its events."""
