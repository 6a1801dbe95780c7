"""Why a model says what it says of one clip: which modality, when, what in the sound, where in the face, what would change it.

A clip and a model are a game (``Question``): modalities, windows of time, descriptors or regions of the face come and go, and the
explained class's score with them. Each part is a value of its own; ``explain`` makes all of them one ``Why``, which has its
sentence (``words``), and goes out as JSON or CSV.
"""

from affectscope.core.why.asking import Question
from affectscope.core.why.face import View
from affectscope.core.why.lanes import beside, joining, lanes, with_reasons
from affectscope.core.why.tables import Table, tables
from affectscope.core.why.why import WHY_VERSION, Why, explain
from affectscope.core.why.words import in_words

__all__ = [
    "WHY_VERSION", "Question", "Table", "View", "Why", "beside", "explain", "in_words", "joining", "lanes", "tables",
    "with_reasons",
]  # fmt: skip
