"""The command line: the options, the three commands, and the session that they run in."""
