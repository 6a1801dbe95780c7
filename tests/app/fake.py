"""A clip and a timeline made from nothing, so that the app is tested without a model."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from affectscope.core.timeline.lanes import evidence_lanes
from affectscope.core.timeline.timeline import Event, Heatmap, Lane, Matrix, Timeline
from affectscope.core.trust.curves import Curves
from affectscope.core.trust.measure import Change, Layer, Measured, Other
from affectscope.core.trust.trust import Trust
from affectscope.core.why.modality import Modality
from affectscope.core.why.moments import Moments
from affectscope.core.why.why import Why

FPS = 25
RATE = 16_000
CLASSES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")


def clip(path: Path, seconds: float = 3.0, size: tuple[int, int] = (256, 256)) -> Path:
    """An H.264 and AAC file: a bright disc that wanders, and a tone that rises."""
    width, height = size
    with av.open(str(path), "w") as box:
        video = box.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "g": "25"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = box.add_stream("aac", rate=RATE, layout="mono")
        for i in range(round(seconds * FPS)):
            for packet in video.encode(av.VideoFrame.from_ndarray(_picture(i / FPS, width, height), "rgb24")):
                box.mux(packet)
        frame = av.AudioFrame.from_ndarray(_tone(seconds)[None], "fltp", "mono")
        frame.sample_rate = RATE
        for packet in (*video.encode(), *sound.encode(frame), *sound.encode()):
            box.mux(packet)
    return path


def timeline(seconds: float = 3.0, *, face: bool = True, sound: bool = True, names: tuple[str, ...] = CLASSES) -> Timeline:
    """What a two-layer, four-head model might have said of ``clip``; ``face`` leaves for a while in the middle."""
    rng = np.random.default_rng(7)
    frames = (np.arange(round(seconds * FPS)) / FPS).astype("f4")
    sounds = ((np.arange(round(seconds * 50)) + 0.5) / 50).astype("f4")
    seen = np.full(len(frames), face) & ~((frames > seconds * 0.55) & (frames < seconds * 0.7))
    heard = np.full(len(sounds), sound) & (sounds > 0.25) & (sounds < seconds - 0.3)
    boxes = np.where(seen[:, None], _boxes(frames), np.nan).astype("f4")
    heatmaps = (_heatmap("av", "audio-visual head", frames, 1.0), _heatmap("visual", "visual head", frames, -1.0))
    lanes = (
        _wave(sounds, heard),
        _weights("attention.audio.fusion", "Audio attention, fusion", sounds, heard, "audio", rng),
        _weights("attention.audio.self", "Audio attention, encoder", sounds, heard, "audio", rng),
        _weights("attention.visual.fusion", "Visual attention", frames, seen, "visual", rng),
        *evidence_lanes(heatmaps if face else (), frames),
        _probability(frames, names),
        Lane("truth.intensity", "Intensity", "truth", frames, _bump(frames, seconds)[None], ("intensity",), "truth",
             "How strongly the face moves, as rendered."),
    )  # fmt: skip
    matrix = (rng.random((8, len(sounds) * len(frames))) ** 6 * 255).astype("u1")
    matrices = (Matrix("fusion", "Sound attends to picture", sounds, frames, matrix, "audio", "visual", 2, 4),)
    marks = [Event("emotion", name, at * seconds, at * seconds) for name, at in (("onset", 0.2), ("apex", 0.45), ("offset", 0.8))]
    spoken = [Event("phonemes", p, 0.3 + 0.15 * i, 0.45 + 0.15 * i) for i, p in enumerate("ɪtsɪlɛvənəklɒk")]
    return Timeline(
        seconds, frames, boxes, heatmaps if face else (), lanes, matrices if face and sound else (), (*marks, *spoken),
        "fake", names, () if face else ("No face was found: predicted from sound alone.",),
    )  # fmt: skip


def _picture(t: float, width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    cx, cy = width * (0.5 + 0.12 * np.sin(2 * t)), height * (0.5 + 0.06 * np.cos(3 * t))
    disc = (x - cx) ** 2 + ((y - cy) * 0.85) ** 2 < (0.27 * height) ** 2
    picture = np.empty((height, width, 3), np.uint8)
    picture[...] = np.where(disc[..., None], (222, 180, 150), (60 + 60 * y / height)[..., None])
    return picture


def _tone(seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 + 80 * t) * t) * (np.sin(2 * np.pi * 2 * t) ** 2)).astype("f4")


def _boxes(t: np.ndarray) -> np.ndarray:
    cx, cy = 0.5 + 0.12 * np.sin(2 * t), 0.5 + 0.06 * np.cos(3 * t)
    return np.stack([cx - 0.27, cy - 0.3, cx + 0.27, cy + 0.3], 1)


def _heatmap(name: str, title: str, t: np.ndarray, turn: float) -> Heatmap:
    y, x = np.mgrid[:12, :12] / 11
    cx, cy = 0.5 + 0.3 * np.sin(2 * turn * t), 0.6 + 0.2 * np.cos(2 * t)
    maps = np.exp(-((x - cx[:, None, None]) ** 2 + (y - cy[:, None, None]) ** 2) / 0.05)
    return Heatmap.of(name, f"Why happiness, {title}", maps * (0.02 + _bump(t, t[-1]))[:, None, None])


def _wave(t: np.ndarray, heard: np.ndarray) -> Lane:
    loud = np.where(heard, np.abs(np.sin(2 * np.pi * 2 * t)) * 0.5 + 0.02, np.nan).astype("f4")
    return Lane("wave", "Waveform", "wave", t, np.stack([-loud, loud]), ("low", "high"), "audio", "Loudest and quietest sample.")


def _weights(name: str, title: str, t: np.ndarray, there: np.ndarray, group: str, rng: np.random.Generator) -> Lane:
    raw = rng.gamma(2.0, 1.0, (8, len(t))) * (1 + 3 * np.exp(-((t - t.mean()) ** 2) / 0.1)) * there
    values = np.where(there, raw / np.maximum(raw.sum(1, keepdims=True), 1e-9), np.nan).astype("f4")
    series = tuple(f"layer {i // 4 + 1}, head {i % 4 + 1}" for i in range(8))
    return Lane(name, title, "weights", t, values, series, group, "How much each frame counts.", 2, 4)


def _probability(t: np.ndarray, names: tuple[str, ...]) -> Lane:
    score = np.stack([np.sin(t * (1 + 0.4 * k) + k) * (1 + t / 2) for k in range(len(names))])
    values = np.exp(score) / np.exp(score).sum(0)
    return Lane("prediction.av", "Prediction so far", "probability", t, values.astype("f4"), names, "prediction",
                "Probability of each class from what has been seen and heard until then.")  # fmt: skip


def _bump(t: np.ndarray, seconds: float) -> np.ndarray:
    return np.exp(-((t / seconds - 0.45) ** 2) / 0.04).astype("f4")


def why(target: str = "", against: str = "", label: str = "") -> Why:
    """Sound is sure of happiness, and so are both."""
    answers = np.full((1, 4, len(CLASSES)), 0.02)
    place = CLASSES.index("happiness")
    answers[:, :, place] = [0.2, 0.9, 0.3, 0.9]
    scores = np.log(answers[..., place] / (1 - answers[..., place]))
    windows = {"audio": np.array([[0.1, 0.4]]), "visual": np.array([[0.0, 0.0]])}
    return Why(
        "made-up", "classification", tuple(CLASSES), ("decision",), target or "happiness", against, "absent", label, 1.0,
        Modality(("audio", "visual"), (True, True), answers, scores),
        Moments(np.array([0.0, 0.5, 1.0]), {"audio": np.array([5, 5]), "visual": np.array([5, 5])}, windows, windows),
    )  # fmt: skip


def trust(target: str, head: str) -> Trust:
    """A heatmap that is better than nineteen random ones and stays where it is, and a lane that is the same whatever is asked."""
    shares, flat = np.array([0, 0.1, 0.3, 0.6, 1]), np.full((19, 5), 0.5)
    good = Curves(shares, flat[0] - 0.2, flat[0] + 0.2, flat, flat, flat, flat, 0)
    bad = Curves(shares, flat[0], flat[0], flat, flat, flat, flat, 0)
    layer = Layer("model.out", 1, 1, "model", True, 0.1, 0.05)
    change = Change("re-encoded", 0.9, 0.8, 0.2, 0.01, 0.1, True)
    others, same, alike = (Other("fear", 0.3, 0.2),), (Other("fear", 1.0, np.nan),), np.full(19, 0.1)
    shown = Measured(
        "contrast", "Change for the class", "visual", head, target, good, alike, 0.2, (layer,), others, (change,)
    )  # fmt: skip
    lane = Measured("attention", "attention", "audio", "decision", target, bad, alike, 0.2, (), same, (), is_lane=True)
    return Trust("made-up", 1.0, 0, (shown, lane))
