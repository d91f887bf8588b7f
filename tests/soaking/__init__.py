"""The rooms of the soak: how the server misbehaves, who calls, and what is measured meanwhile."""
