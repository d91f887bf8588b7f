"""Files that are sent: read in every form, killed, resumed, and counted where they arrive."""
