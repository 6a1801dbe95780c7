"""Shared by all pages: the selection in the URL, background jobs, choices, the player's place."""
