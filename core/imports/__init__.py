"""Imports predictions of other people's models from tables, as documented in docs/import-predictions.md.

read.py     a file's columns, within limits
layout.py   the meaning of columns: models, heads, classes, attention, embeddings, facts
check.py    validates each row, with one sentence per problem
clips.py    the clips: ids, labels, facts, and their media if available
stored.py   imports on disk
model.py    an imported model, as used by the app
"""
