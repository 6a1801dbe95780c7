"""Decodes and encodes video and sound with PyAV. All times are in seconds on the clip's own clock, which starts at 0."""

from affectscope.core.media.facts import MediaInfo, hearing, probe, reading, remarks, told_duration, told_frames, track_ends
from affectscope.core.media.files import MAX_PIXELS, MAX_SECONDS, ROUNDING, SAMPLE_RATE, SLACK
from affectscope.core.media.pictures import frame_times, glimpses, lost_pictures, read_frames
from affectscope.core.media.recorded import Recording, read_recorded
from affectscope.core.media.sounds import Sound, SoundTrack, heard_track, listed_tracks, loudness, read_sound
from affectscope.core.media.write import browser_copy, encode, frame_jpeg

__all__ = [
    "MAX_PIXELS", "MAX_SECONDS", "ROUNDING", "SAMPLE_RATE", "SLACK", "MediaInfo", "Recording", "Sound", "SoundTrack",
    "browser_copy", "encode", "frame_jpeg", "frame_times", "glimpses", "heard_track", "hearing", "listed_tracks", "lost_pictures",
    "loudness", "probe", "read_frames", "read_recorded", "read_sound", "reading", "remarks", "told_duration", "told_frames",
    "track_ends",
]  # fmt: skip
