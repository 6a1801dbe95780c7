"""Label spaces that several systems and corpora share."""

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
FOUR_EMOTIONS = ("anger", "happiness", "neutral", "sadness")
ATTRIBUTES = ("arousal", "valence", "dominance")
AFFECT = ATTRIBUTES[:2]
