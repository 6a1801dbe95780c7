"""Saves models, loads them safely, and imports untrusted ones."""

# The default checkpoint.
DEFAULT = "auxformer"
# The shipped checkpoint that is best on recordings of people, the default for users' own files: see docs/real-people.md.
FOR_PEOPLE = "vavl"
