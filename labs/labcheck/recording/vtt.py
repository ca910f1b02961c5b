"""A tape's subtitles as WebVTT: https://www.w3.org/TR/webvtt1/."""

from labcheck.recording.tape import Tape

# https://www.w3.org/TR/webvtt1/#webvtt-cue-text-span: what a cue's text cannot have as it is.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def webvtt(tape: Tape) -> str:
    """Return a tape's subtitles, numbered."""
    blocks = [f"WEBVTT - {_escaped(tape.title)}"]
    for number, cue in enumerate(tape.cues, 1):
        text = "\n".join(_escaped(line) for line in cue.lines)
        blocks.append(f"{number}\n{timestamp(cue.start_s)} --> {timestamp(cue.end_s)}\n{text}")
    return "\n\n".join(blocks) + "\n"


def timestamp(seconds: float) -> str:
    """Return a moment as ``hh:mm:ss.ttt``, section 3.3 of the standard."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}.{thousandths:03}"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
