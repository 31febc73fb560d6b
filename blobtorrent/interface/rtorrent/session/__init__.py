"""The commands of rTorrent that concern the session as a whole: settings, limits, schedules, programs, logs."""
