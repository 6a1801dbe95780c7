"""Whether an explanation can be trusted: measured on the clip that it is shown for, or over a corpus.

A map (a heatmap, a lane of contributions, attention: ``maps``) is deleted and inserted (``curves``), made again with random
weights (``randomised``), for another class, and from a clip that was changed a little (``changed``), and compared with what a
corpus knows (``pointing``). ``measure`` makes of one map a ``Measured``, ``trust`` of all maps of a clip a ``Trust``; ``verdict``
says it in one of three levels with its reasons, ``corpus`` over many clips.
"""
