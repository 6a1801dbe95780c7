"""A model run on every clip of a corpus, and the table of what it said."""
