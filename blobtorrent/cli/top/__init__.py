"""The full-screen view of the daemon: a model, a renderer of it, threads that fetch, and the terminal."""
