"""Message stream encryption (MSE, also PE): it hides what a stream is. It keeps nothing secret from who wants to know."""
