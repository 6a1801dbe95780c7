"""Runs a model on every clip of a corpus, and stores its predictions in a table."""
