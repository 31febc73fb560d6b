"""Message stream encryption (MSE, also PE): it hides what a stream is, and keeps no secret from who wants to know."""
