"""The parts of the fork run: the parent's load, what children do, the laws, and the bugs that those must catch."""
