"""The sections of a lesson, one module each: functions that write on a board."""
