"""The command line: options once, the three commands, and the session that each of them runs in."""
