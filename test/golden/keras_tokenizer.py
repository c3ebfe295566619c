"""Golden values for src/text/tokenizer.ts, made by the Tokenizer of Keras itself.

Made with the versions that stand in the files (Keras 3.15.1, Python 3.11):

    KERAS_BACKEND=torch PYTHONHASHSEED=0 python keras_tokenizer.py [folder [yelp.csv]]

writes keras-tokenizer.json (hard cases in full, and what Keras makes of cellstate-tokenizer.json, which the test
suite of this package wrote) and keras-tokenizer-hashes.json (hashes over generated strings and, if the data is
given, over the Yelp reviews; without it the hashes that stand in the file are kept).
"""

import csv
import hashlib
import json
import re
import struct
import sys
import unicodedata
from pathlib import Path

import keras
from keras.src.legacy.preprocessing.text import Tokenizer, tokenizer_from_json

VERSIONS = {"keras": keras.__version__, "python": sys.version.split()[0], "unicode": unicodedata.unidata_version}

ENGLISH = [
    "The food was great! The service, too: don't miss it.",
    "It's 100% worth it -- isn't it? (e-mail: a_b@c.d)",
    "tab\there\nline\r\nreturn\rnbsp\u00a0thin\u2009wide\u3000end",
    "",
    "   ",
    "curly \u2019apostrophe\u2019 \u201cquotes\u201d \u2026 dash\u2014dash",
]
UNICODE = [
    "STRASSE stra\u00dfe STRA\u1e9eE",
    "\u0130stanbul ISTANBUL \u0131stanbul I\u0307stanbul",
    "\u039f\u0394\u039f\u03a3 \u03c3\u03a3\u03c2 \u03a3 \u0391\u03a3.\u0391\u03a3 \u0391\u03a3\u0301 \u0391'\u03a3",
    "\ufb01nd \ufb03 \u01c5 \u01c4 \u2126 \u212a \u212b",
    "\U0001f600\U0001f600 ok\U0001f44d\U0001f3fd \U00010400\U00010401 \U0001d49c",
    "cafe\u0301 caf\u00e9 \u7f8e\u5473\u3057\u3044 \u597d\u5403",
]
TIES = ["b a c", "c a b", "d", "2010 1 2 1", "10 9 1"]


def pairs(mapping):
    return [[key, value] for key, value in mapping.items()]


def sparse(matrix):
    rows, columns = matrix.nonzero()
    return {"shape": matrix.shape, "values": [[int(i), int(j), matrix[i, j]] for i, j in zip(rows, columns)]}


def case(name, fits, texts, **options):
    tokenizer = Tokenizer(**options)
    for fit in fits:
        tokenizer.fit_on_texts(fit)
    sequences = tokenizer.texts_to_sequences(texts)
    size = tokenizer.num_words or len(tokenizer.word_index) + 1
    probe = [[0, 1, 2, 3, 1, 1], [], [size - 1, size, size + 100]]
    return {
        "name": name,
        "options": options,
        "fits": fits,
        "texts": texts,
        "sequences": sequences,
        "word_index": pairs(tokenizer.word_index),
        "index_word": pairs(tokenizer.index_word),
        "word_counts": pairs(tokenizer.word_counts),
        "word_docs": sorted(pairs(tokenizer.word_docs)),
        "index_docs": sorted(pairs(tokenizer.index_docs)),
        "document_count": tokenizer.document_count,
        "texts_again": tokenizer.sequences_to_texts(sequences + probe),
        "probe": probe,
        "matrices": {
            mode: sparse(tokenizer.sequences_to_matrix(sequences[:3] + probe, mode=mode))
            for mode in ("binary", "count", "freq", "tfidf")
        },
        "to_json": tokenizer.to_json(),
    }


def cases():
    lists = [["The", "food, was", "Great!"], ["the", "\u0130", ""], ["x"]]
    return [
        case("English punctuation and white space", [ENGLISH], ENGLISH + ["unknown words"]),
        case("the same with an out-of-vocabulary token", [ENGLISH], ENGLISH + ["Unknown words"], oov_token="<OOV>"),
        case("num_words drops the rarer words", [ENGLISH], ENGLISH, num_words=5),
        case("num_words with an out-of-vocabulary token", [ENGLISH], ENGLISH, num_words=5, oov_token="<OOV>"),
        case("num_words 1 leaves no word", [ENGLISH], ENGLISH[:2], num_words=1),
        case("num_words 0 is no limit", [TIES], TIES, num_words=0),
        case("the out-of-vocabulary token is also a word", [TIES], TIES + ["zzz"], oov_token="a"),
        case("that word beyond num_words", [TIES], TIES + ["zzz"], oov_token="d", num_words=3),
        case("equal counts keep the first appearance", [TIES], TIES),
        case("two fits add up", [TIES, ["d d d d 9", "e"]], TIES + ["e d"]),
        case("lower-casing beyond ASCII", [UNICODE], UNICODE),
        case("without lower-casing", [UNICODE], UNICODE + ["Strasse"], lower=False),
        case("characters are code points", [UNICODE + ENGLISH[:2]], UNICODE + ["xyz\U0001f680"], char_level=True),
        case(
            "characters with a limit",
            [ENGLISH],
            ENGLISH + UNICODE[:2],
            char_level=True,
            num_words=12,
            oov_token="?",
            split="",
            filters=None,
        ),
        case("other filters", [ENGLISH], ENGLISH, filters="aeiou\u2019\U0001f600"),
        case("no filters", [ENGLISH], ENGLISH, filters=""),
        case("another separator", [ENGLISH], ENGLISH, split="e"),
        case("a separator of two characters", [["a, b", "a,b, c!d"]], ["c, d, a"], split=", ", filters="!"),
        case("texts given as lists", [lists + ["the x"]], lists + ["food, was"]),
        case("lists with characters", [lists + ["the x"]], lists + ["the"], char_level=True),
    ]


# ---- generated strings; the generator and its use are repeated in test/text/tokenizer.test.ts ----

ALPHABET = (
    list("abcdeEIiStTxyz0123456789")
    + list(" " * 24)
    + list("\t\n\r\x0b\x0c\x1c\x85\u00a0\u1680\u2009\u2028\u3000\ufeff")
    + list("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'\u2019\u2026\u2014\u00bf")
    + list("\u00e9\u00c9\u00df\u1e9e\u00c4\u00f6\u00dc\u0130\u0131\u017f\ufb01\u01c4\u01c5\u212a")
    + list("\u03a3\u03a3\u03a3\u03c3\u03c2\u0391\u0392\u03b1\u0345\u0301\u0307\u0308\u00ad\u200d\ufe0f")
    + list("\u0416\u0436\u0531\u10a0\u13a0\u1c80\u05d0\u0627\u0915\u094d\u0e01\u7f8e\u5473\u597d\uac00")
    + ["\U0001f600", "\U0001f44d\U0001f3fd", "\U00010400", "\U0001d49c", "\U00020000"]
    + ["the ", "The ", "THE ", "food ", "don't ", "great ", "was ", "\u039f\u0394\u039f\u03a3 ", "2010 "]
)
COUNT = 10_000
SEED = 36


def generated():
    state = SEED

    def draw(below):
        nonlocal state
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = (state ^ (state >> 15)) * (1 | state) & 0xFFFFFFFF
        t = (t + ((t ^ (t >> 7)) * (61 | t) & 0xFFFFFFFF)) & 0xFFFFFFFF ^ t
        return ((t ^ (t >> 14)) & 0xFFFFFFFF) % below

    return ["".join(ALPHABET[draw(len(ALPHABET))] for _ in range(draw(60))) for _ in range(COUNT)]


CONFIGURATIONS = [
    {},
    {"num_words": 100},
    {"num_words": 100, "oov_token": "<OOV>"},
    {"oov_token": "the"},
    {"lower": False},
    {"filters": "\t\n\u00a0\u2009\U0001f600", "split": "a"},
    {"split": "\u03c3\u03c2"},
    {"char_level": True},
    {"char_level": True, "num_words": 40, "oov_token": "\ufffd"},
    {"char_level": True, "lower": False, "oov_token": "e"},
]


def digest(sequences):
    sha = hashlib.sha256()
    for sequence in sequences:
        sha.update(struct.pack(f"<{len(sequence) + 1}i", len(sequence), *sequence))
    return sha.hexdigest()


def hashes(texts, fit_on, **options):
    tokenizer = Tokenizer(**options)
    tokenizer.fit_on_texts(fit_on)
    sequences = tokenizer.texts_to_sequences(texts)
    return {
        "options": options,
        "words": len(tokenizer.word_index),
        "ids": sum(map(len, sequences)),
        "ids_sha256": digest(sequences),
        "word_index_sha256": hashlib.sha256(json.dumps(tokenizer.word_index).encode()).hexdigest(),
    }


def yelp(path):
    with open(path, newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    cleaned = [re.sub(r"[^a-zA-z0-9\s]", "", text.lower()) for text in texts]
    return {
        "article": hashes(cleaned, cleaned, num_words=2500),
        "raw": hashes(texts, texts, num_words=2500),
        "article_text_sha256": hashlib.sha256("\0".join(cleaned).encode()).hexdigest(),
    }


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    ours = Path(__file__).parent / "cellstate-tokenizer.json"
    texts = ENGLISH + UNICODE + TIES
    read_back = tokenizer_from_json(ours.read_text()).texts_to_sequences(texts) if ours.exists() else []
    golden = {"versions": VERSIONS, "cases": cases(), "read_back": {"texts": texts, "sequences": read_back}}
    (folder / "keras-tokenizer.json").write_text(json.dumps(golden) + "\n")

    target = folder / "keras-tokenizer-hashes.json"
    strings = generated()
    known = json.loads(target.read_text()).get("yelp") if target.exists() else None
    result = {
        "versions": VERSIONS,
        "alphabet": ALPHABET,
        "seed": SEED,
        "strings_sha256": hashlib.sha256("\0".join(strings).encode()).hexdigest(),
        "generated": [hashes(strings, strings[: COUNT // 2], **options) for options in CONFIGURATIONS],
        "yelp": yelp(sys.argv[2]) if len(sys.argv) > 2 else known,
    }
    target.write_text(json.dumps(result, indent=1) + "\n")


main()
