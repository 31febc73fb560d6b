"""Memory that outlives the process: the live file, and what the next process finds in it."""
