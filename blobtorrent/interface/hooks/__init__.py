"""Hooks: programs that are run and URLs that are posted to when something happens."""
