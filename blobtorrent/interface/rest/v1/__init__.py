"""Version 1 of the resources, one module each."""
