"""How far an explanation can be trusted, measured on one clip or over a corpus.

A map (a heatmap, a lane of contributions, attention: ``maps``) is tested by deletion and insertion (``curves``); compared with
maps for random weights (``randomised``), for other classes, and for slightly changed clips (``changed``); and checked against
ground truth (``pointing``). ``measure`` returns a ``Measured`` for one map, ``trust`` a ``Trust`` for all maps of a clip;
``verdict`` summarises them in three levels with reasons, and ``corpus`` aggregates many clips.
"""
