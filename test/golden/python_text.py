"""Golden values of Python's `re` and `str.lower` for src/text/clean.ts and src/text/tokenizer.ts.

Made with the versions that stand in the file (Python 3.11, Unicode 14):

    python python_text.py [folder]

writes python-text.json: which code points `[^a-zA-z0-9\\s]` keeps, what `str.lower` makes of every assigned code
point, and which ones decide over the form of a final sigma.
"""

import hashlib
import json
import re
import struct
import sys
import unicodedata
from pathlib import Path

POINTS = range(0x110000)
# Unicode 15 to 17 took the first out of Cased and put the second into Case_Ignorable; only a sigma beside them tells.
CHANGED = {0x295, 0x1171E}


def ranges(points):
    found = []
    for point in points:
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return ",".join(f"{first:x}" if first == last else f"{first:x}-{last:x}" for first, last in found)


def digest(points):
    return hashlib.sha256(b"".join(struct.pack("<I", point) for point in points)).hexdigest()


def article(text):
    return re.sub(r"[^a-zA-z0-9\s]", "", text.lower())


def final(text):
    return "\u03c2" in text.lower()


def lowered(assigned):
    for point in assigned:
        yield point
        yield from map(ord, chr(point).lower())


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    kept = [point for point in POINTS if re.sub(r"[^a-zA-z0-9\s]", "", chr(point))]
    assigned = [point for point in POINTS if unicodedata.category(chr(point)) not in ("Cn", "Cs")]
    stable = [point for point in assigned if point not in CHANGED]
    texts = [
        "Don't MISS it: [caf\u00e9] a_b ^^ `x` \\o/ 50% -- e-mail\u2019s",
        "\u212aelvin \u0130stanbul \u017f \uff21 \u0663 \u00b2 \u2460",
        "a\u00a0b\u3000c\u200bd\ufeffe\x1cf\x85g\r\n\th\x0bi\u180ej",
        "\U0001f600x\U0001d49cy",
        "",
    ]
    golden = {
        "versions": {"python": sys.version.split()[0], "unicode": unicodedata.unidata_version},
        "article": {
            "kept": ranges(kept),
            "sha256": digest(kept),
            "texts": [[text, article(text)] for text in texts],
        },
        "lower": {
            "assigned": ranges(assigned),
            "sha256": digest(lowered(assigned)),
            "finalAfter": digest(point for point in stable if final("A" + chr(point) + "\u03a3")),
            "finalAlone": digest(point for point in stable if final(chr(point) + "\u03a3")),
            "finalBefore": digest(point for point in stable if final("A\u03a3" + chr(point))),
            "finalBetween": digest(point for point in stable if final("A\u03a3" + chr(point) + "A")),
        },
    }
    (folder / "python-text.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
