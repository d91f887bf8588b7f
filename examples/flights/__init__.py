"""The rooms of the demo beside them, `demo_flights.py`."""
