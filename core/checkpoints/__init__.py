"""Save models, load them safely, and let in what nobody vouches for."""

# The checkpoint that is asked where nobody chose one.
DEFAULT = "auxformer"
# The shipped one that reads people best, for files of people's own: docs/real-people.md has the figures.
FOR_PEOPLE = "vavl"
