"""Why a model predicts what it predicts for a clip: by modality, time, sound and face region, and what would change it.

A clip and a model form a cooperative game (``Question``): modalities, time windows, descriptors or face regions are the players,
and the explained class's score is the value. ``explain`` collects all parts in one ``Why``, which has a sentence (``words``) and
exports to JSON or CSV.
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
