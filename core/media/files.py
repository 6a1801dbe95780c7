"""Opens media files: allowed demuxers, choice of streams, and packets to frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from affectscope.core.errors import UserError
from affectscope.core.media.joined import Without, inner_headers
from affectscope.core.media.others import fault_of
from affectscope.core.text import shown

SAMPLE_RATE = 16_000
# Attention weights grow with the square of the length: a minute at 10 ms takes about 2 GB.
MAX_SECONDS = 60
# A recorder told to stop after a minute stops a little later, and codecs pad their last frame.
SLACK = 0.5
MAX_PIXELS = 4096 * 2304
# Times in files are rounded, often to milliseconds.
ROUNDING = 1e-3
# Extra seconds to seek back, so that codecs have settled where the stretch begins.
RUN_UP = 1.0
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpeg,mpegts,mpegvideo,asf,ogg,wav,w64,aiff,au,caf,mp3,flac,aac,ac3,eac3,amr,"
    "amrnb,amrwb,mxf,nut,h264,hevc,ivf,obu,m4v,mjpeg,dv,tta,wv,dts,truehd,loas,voc,yuv4mpegpipe,gif,apng"
)
# Formats with an index of key frames; others are read from the beginning.
_INDEXED = {"mp4", "matroska"}
_MOST_FAILURES = 50


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a file, whatever its name.

    Raises:
        UserError: when it does not exist or is not media; also for FFmpeg's errors while it is open.
    """
    path = Path(path)
    try:
        there = path.is_file()
    except OSError:
        there = False
    if not there:
        raise UserError(f"There is no file {shown(str(path), 300)}: check the path.")
    # Local files only, and no playlists that refer to others. "file:" keeps a colon in a name from being read as a protocol.
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        with av.open(f"file:{path}", metadata_errors="replace", options=options) as container:
            gaps = inner_headers(path, names(container))
            if not gaps:
                yield container
                return
        with closing(Without(path, gaps)) as joined, av.open(joined, metadata_errors="replace", options=options) as container:
            yield container
    except FFmpegError as error:
        raise UserError(fault_of(path)) from error


def names(container: av.container.InputContainer) -> set[str]:
    """FFmpeg's names for the format; there may be several, as in "mov,mp4,m4a,3gp,3g2,mj2"."""
    return set(container.format.name.split(","))


def picture_tracks(container: av.container.InputContainer) -> list[av.video.stream.VideoStream]:
    """Video tracks, without cover art, which is a track of one frame."""
    streams = [s for s in container.streams if s.type == "video" and s.codec_context is not None]
    return [s for s in streams if not s.disposition & av.stream.Disposition.attached_pic]


def picture_track(container: av.container.InputContainer) -> av.video.stream.VideoStream | None:
    """The video track that is read: the first, or if that is a still, such as a camera's thumbnail, the first that is not."""
    tracks = picture_tracks(container)
    return next((track for track in tracks if track.frames != 1), next(iter(tracks), None))


def sound_tracks(container: av.container.InputContainer) -> list[av.audio.stream.AudioStream]:
    return [s for s in container.streams if s.type == "audio" and s.codec_context is not None]


def indexed(container: av.container.InputContainer) -> bool:
    return bool(_INDEXED & names(container))


def wind(container: av.container.InputContainer, moment: float, start: float) -> None:
    """Seek to a key frame somewhat before the moment, if the format has an index of them.

    Args:
        start: the container's time at which the clip's clock reads 0.
    """
    if moment > RUN_UP and indexed(container):
        with suppress(FFmpegError):
            container.seek(round((moment - RUN_UP + start) * av.time_base), backward=True)


def packets(container: av.container.InputContainer, *streams: av.stream.Stream) -> Iterator[av.Packet]:
    """Packets up to the end or the first fatal error, then an empty packet per stream to flush its codec."""
    demuxed = container.demux(*streams)
    while True:
        try:
            packet = next(demuxed, None)
        except FFmpegError:
            # A file truncated within a packet is played up to there.
            yield from map(_last, streams)
            return
        if packet is None:
            return
        yield packet


def _last(stream: av.stream.Stream) -> av.Packet:
    packet = av.Packet()
    packet.stream = stream
    return packet


def pictures_of(packet: av.Packet) -> list[av.VideoFrame]:
    """The packet's frames.

    Raises:
        UserError: when they are too large.
        FFmpegError: when it is damaged.
    """
    frames = packet.decode()
    for frame in frames:
        check_size(frame)
    return frames


def check_size(picture: Any) -> None:
    """Check a frame's size.

    Raises:
        UserError: when a frame, or a codec's frames, are too large.
    """
    if picture.width * picture.height > MAX_PIXELS:
        raise UserError(f"The video is {picture.width}x{picture.height} pixels: scale it to 4096x2304 or less.")


class Failures:
    """Tolerates a number of damaged packets."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def passed(self) -> Iterator[None]:
        try:
            yield
        except FFmpegError:
            self.count += 1

    @property
    def many(self) -> bool:
        return self.count >= _MOST_FAILURES
