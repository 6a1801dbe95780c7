"""A model asked about every clip of a corpus, and the table of what it said."""
