"""Programs that other people wrote, and hostile ones of our own, driven as counterparts of the engine.

Each driver is a context manager with a home of its own, on ports of its own, that ends its process by id.
"""
