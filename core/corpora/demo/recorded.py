"""Voices recorded from people: flite's and festival's, run as programs at build time only.

Each speaks the sentence neutrally; `voice` adds person and emotion. Licences, as in `/usr/share/doc/*/copyright` of the Debian
packages: those marked `free` are BSD- or MIT-like and do not restrict their output. The others (GPL, LGPL) are only used in
training corpora, never in the project's clips, since a diphone voice's speech consists of pieces of its recordings.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affectscope.core.corpora.demo.speech import RATE, Speech, resampled
from affectscope.core.errors import UserError

PACKAGES = (
    "flite festival festlex-cmu festlex-poslex festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts festvox-ca-ona-hts "
    "festvox-italp16k festvox-itapc16k festvox-suopuhe-lj festvox-suopuhe-mv festvox-czech-dita festvox-czech-machac "
    "festvox-czech-ph festvox-ru"
)
MISSING = f"building the demo corpus needs recorded voices: run `sudo apt-get install {PACKAGES}`"
FESTIVAL_VOICES = Path("/usr/share/festival/voices")


@dataclass(frozen=True)
class Recorded:
    """A recorded voice: program, name in it, sex, and whether its licence does not restrict its output."""

    tool: str
    name: str
    sex: str
    free: bool


VOICES = {
    # CMU ARCTIC speakers and Kevin Lenzo (CMU, BSD-like), Kurt Dusterhoff (CSTR Edinburgh, MIT-like).
    "awb": Recorded("flite", "awb", "male", True),
    "kal": Recorded("flite", "kal16", "male", True),
    "rms": Recorded("flite", "rms", "male", True),
    "slt": Recorded("flite", "slt", "female", True),
    "ked": Recorded("festival", "ked_diphone", "male", True),
    "slt-hts": Recorded("festival", "cmu_us_slt_arctic_hts", "female", True),
    "russian": Recorded("festival", "msu_ru_nsh_clunits", "male", True),
    # English with an accent, by: ITC-irst and ISTC (GPL-2+), Helsinki and Joensuu (LGPL), Brailcom (GPL-3; ph: GPL-2+), UPC
    # Barcelona (LGPL-2.1+).
    "lp": Recorded("festival", "lp_diphone", "female", False),
    "pc": Recorded("festival", "pc_diphone", "male", False),
    "lj": Recorded("festival", "suo_fi_lj_diphone", "female", False),
    "mv": Recorded("festival", "hy_fi_mv_diphone", "male", False),
    "dita": Recorded("festival", "czech_dita", "female", False),
    "machac": Recorded("festival", "czech_machac", "male", False),
    "ph": Recorded("festival", "czech_ph", "male", False),
    "ona": Recorded("festival", "upc_ca_ona_hts", "female", False),
}
# CMU phones by espeak-ng's names, which determine lip shapes; other sets are spelled almost phonetically.
_PHONES = {
    "aa": "A:", "ae": "a", "ah": "V", "ao": "O:", "aw": "aU", "ax": "@", "ay": "aI", "eh": "E", "er": "3:", "ey": "eI",
    "ih": "I", "iy": "i:", "ow": "oU", "oy": "OI", "uh": "U@", "uw": "u:", "ch": "tS", "jh": "dZ", "sh": "S", "zh": "Z",
    "th": "T", "dh": "D", "ng": "N", "hh": "h", "y": "j", "dx": "t", "el": "l", "em": "m", "en": "n", "pau": "_", "#": "_",
    "c": "t", "q": "k", "ee": "e", "oo": "o", "ii": "i", "uu": "u", "rr": "r", "ss": "s", "ll": "l", "J": "n", "L": "l",
    "bb": "b", "pp": "p", "mm": "m", "nn": "n", "vv": "v", "ff": "f", "dd": "d", "tt": "t", "zz": "z", "gg": "g", "kk": "k",
    "ts": "t", "dz": "d", "O1": "O", "E1": "E",
}  # fmt: skip
_CMU = ("aa", "ae", "ah", "ao", "aw", "ax", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw")


def check() -> None:
    """Check that all programs and voices are installed.

    Raises:
        UserError: if one is missing, with what to install.
    """
    if not complete():
        raise UserError(MISSING)


def complete() -> bool:
    """Whether both programs and all voices are installed."""
    wanted = {voice.name for voice in VOICES.values() if voice.tool == "festival"}
    there = {path.name for path in FESTIVAL_VOICES.glob("*/*")}
    return bool(shutil.which("flite") and shutil.which("festival")) and there >= wanted


def say(text: str, voice: str) -> Speech:
    """Speak `text` neutrally, in a voice of `VOICES`.

    Raises:
        UserError: if its program is missing or fails.
    """
    recorded = VOICES[voice]
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "speech.wav"
        command = _flite(text, recorded.name, wave) if recorded.tool == "flite" else _festival(text, recorded.name, wave)
        try:
            printed = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.decode("utf-8", "replace")
            samples = _read_wave(wave)
        except (OSError, subprocess.SubprocessError) as error:
            raise UserError(MISSING) from error
    phones = re.findall(r"(\S+):(\d+\.\d+) ", printed + " ")
    if not phones:
        raise UserError(MISSING)
    ends = np.array([float(end) for _, end in phones])
    return _trimmed(samples, [name_of(phone) for phone, _ in phones], ends)


def name_of(phone: str) -> str:
    """A phone of any of the voices as espeak-ng's name, as precisely as lip shapes need."""
    if phone in _PHONES:
        return _PHONES[phone]
    bare = phone.rstrip("0123456789:")
    return _PHONES.get(bare, bare if bare.strip("_") else "_")


def _flite(text: str, voice: str, wave: Path) -> list[str]:
    return ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(wave)]


def _festival(text: str, voice: str, wave: Path) -> list[str]:
    quoted = text.replace("\\", "").replace('"', "")
    script = f"""(begin (voice_{voice}) (set! u (Utterance Text "{quoted}")) (utt.synth u) (utt.save.wave u "{wave}" 'riff)
    (mapcar (lambda (s) (format t "%s:%f " (item.name s) (item.feat s 'end))) (utt.relation.items u 'Segment)))"""
    return ["festival", "-b", script]


def _read_wave(path: Path) -> np.ndarray:
    """Samples [N] float32 at `RATE`."""
    from scipy.io import wavfile

    rate, samples = wavfile.read(path)
    return resampled(samples.astype(np.float32) / 32768, rate)


def _trimmed(samples: np.ndarray, names: list[str], ends: np.ndarray) -> Speech:
    """Trim silence at both ends, which the plan adds."""
    starts = np.concatenate([[0.0], ends[:-1]])
    sounding = [index for index, name in enumerate(names) if name != "_"]
    first, last = (sounding[0], sounding[-1] + 1) if sounding else (0, len(names))
    begin = max(0.0, starts[first] - 0.03)
    end = min(len(samples) / RATE, ends[last - 1] + 0.04)
    kept = samples[int(begin * RATE) : int(end * RATE)]
    edges = np.clip(np.concatenate([starts[first:last], [ends[last - 1]]]) - begin, 0, len(kept) / RATE)
    return Speech(kept.astype(np.float32), tuple(names[first:last]), edges)
