"""Label spaces that several systems and corpora share."""

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
