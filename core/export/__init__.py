"""Exports: annotated video and picture, and lanes as a table."""
