"""Processes that are killed while they track with a spool, and what the receiver got of it in the end."""
