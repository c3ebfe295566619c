"""Golden values for src/data/wav.ts: files written, and read again, by libsndfile.

Made with the versions that stand in the file:

    python wav_soundfile.py [folder]

writes wav-soundfile.json: every file in base64 with its samples as 32-bit floats, channel after channel.
"""

import base64
import io
import json
import sys
from pathlib import Path

import numpy
import soundfile

SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]


def sound(frames, channels):
    x = numpy.arange(frames * channels, dtype="f8").reshape(frames, channels)
    wave = numpy.sin(x * 0.37) * 0.9
    wave[0, 0], wave[-1, -1] = -1.0, 0.999
    return wave


def cases():
    for format in ("WAV", "WAVEX"):
        for subtype in SUBTYPES:
            for channels in (1, 2, 3):
                file = io.BytesIO()
                soundfile.write(file, sound(11, channels), 8000 * channels, subtype, format=format)
                data = file.getvalue()
                samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
                yield {
                    "format": format,
                    "subtype": subtype,
                    "rate": rate,
                    "bytes": base64.b64encode(data).decode(),
                    "channels": [[float(x) for x in column] for column in samples.T],
                }


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    golden = {
        "versions": {"soundfile": soundfile.__version__, "libsndfile": soundfile.__libsndfile_version__},
        "files": list(cases()),
    }
    (folder / "wav-soundfile.json").write_text(json.dumps(golden) + "\n")


main()
