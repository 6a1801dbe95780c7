"""Other people's code, which a person has named: where it is imported, what became of it, and what it is made of."""
