"""File extensions of media. Only a first filter for folders and tables: a file's content decides."""

from __future__ import annotations

VIDEO = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".divx", ".flv", ".f4v", ".wmv", ".asf", ".mpg",
    ".mpeg", ".vob", ".ts", ".m2ts", ".mts", ".m2t", ".ogv", ".mxf", ".dv", ".h264", ".264", ".hevc", ".h265", ".265", ".ivf",
    ".mjpeg", ".mjpg", ".nut", ".m1v", ".m2v", ".mpv", ".obu", ".y4m",
})  # fmt: skip
SOUND = frozenset({
    ".wav", ".flac", ".mp3", ".m4a", ".ogg", ".oga", ".opus", ".aac", ".wma", ".amr", ".aif", ".aiff", ".mka", ".ac3", ".caf",
    ".au", ".w64", ".mp2", ".eac3", ".dts", ".thd", ".truehd", ".loas", ".latm", ".tta", ".wv", ".voc", ".m4b", ".aifc",
})  # fmt: skip
MEDIA = VIDEO | SOUND
