"""The commands by subject; each module's `commands(host)` yields what it registers."""
