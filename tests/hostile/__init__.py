"""Hostile inputs: made at random together with what must become of each (`tests/bad_inputs.py`)."""
