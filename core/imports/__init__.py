"""Predictions of models that are not ours: a file becomes tables and lanes. docs/import-predictions.md says what it holds.

read.py     a file's columns, within limits
layout.py   which columns are whose: models, heads, classes, attention, embeddings, facts
check.py    what can be used of each row, and one sentence on each that cannot
clips.py    the clips: ids, labels, facts, and their media where they are available
stored.py   what was imported, on disk
model.py    an imported model, as the app asks it
"""
