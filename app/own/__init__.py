"""A person's own clips: how they come in, what is kept of them, and how all of it goes again."""
