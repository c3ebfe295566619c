"""Golden values for src/text/bpe-tokenizer.ts, made by the tokenizers of Hugging Face.

Made with the versions that stand in the file (tokenizers 0.23.3):

    python huggingface_tokenizers.py [folder [yelp.csv]]

writes huggingface-tokenizers.json: merges that the trainer learned from examples/reviews.csv and from generated
strings, ids of hard texts, a hash over the ids of 10,000 generated strings for each pattern and normalizer, what Hugging
Face makes of cellstate-bpe.json, which the test suite of this package wrote, and if the data is given, a hash over
the merges learned from the first megabyte of the Yelp reviews; without it the one that stands in the file is kept.
"""

import hashlib
import json
import struct
import sys
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
MODERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {"llama3": MODERN.replace("DIGITS", r"\p{N}{1,3}"), "qwen2": MODERN.replace("DIGITS", r"\p{N}")}

# ---- generated strings; the generator and its use are repeated in test/text/bpe-tokenizer.test.ts ----

ALPHABET = (
    list("abcdeEIiStTxyz0123456789")
    + list(" " * 24)
    + list("\t\n\n\r\x0b\x0c\x1c\x85\u00a0\u1680\u2009\u2028\u3000\ufeff\x00\x7f")
    + list("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~''''\u2019\u2026\u2014\u00bf")
    + list("\u00e9\u00c9\u00df\u1e9e\u0130\u0131\u017f\ufb01\u01c5\u212a\uff21\u3392\u2167\u0663\u00bd")
    + list("\u03a3\u03c3\u0301\u0308\u0323\u00ad\u200d\ufe0f\u202e\u0416\u05d0\u0627\u0915\u094d\u0e01\u7f8e\u5473\uac00")
    + ["\U0001f600", "\U0001f44d\U0001f3fd", "\U00010400", "\U00020000", "\U0001d7d8"]
    + ["the ", "The ", "food ", "don't ", "I'LL ", "'\u017f", " was", "we've", "  ", "\r\n", "2010 ", "<pad>", "<end>"]
)
COUNT = 10_000
SEED = 36


def generated():
    state = SEED

    def draw(below):
        nonlocal state
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        t = ((t + (((t ^ (t >> 7)) * (61 | t)) & 0xFFFFFFFF)) & 0xFFFFFFFF) ^ t
        return (t ^ (t >> 14)) % below

    return ["".join(ALPHABET[draw(len(ALPHABET))] for _ in range(draw(60))) for _ in range(COUNT)]


HARD = [
    "",
    " ",
    "The food was great! Don't miss it -- we'll be back.",
    "   leading, trailing   and\tmixed \n\n white\r\nspace  \n",
    "I'M HERE, WE'LL SEE; it's 'quoted' and they'\u017f",
    "1234567 3.14 \u0663\u0664 \u00bd \u2167",
    "caf\u00e9 cafe\u0301 \ufb01nd \uff21 \u1e9e \u212b",
    "\u7f8e\u5473\u3057\u3044\u30e9\u30fc\u30e1\u30f3 \u597d\u5403 \uac00\ub098 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea",
    "\x00\x01\x7f\u0085\u2028\ufeff\u200b",
    "aaaaaaaaaaaaaaaaaaaaaaa ---------- ======",
    "<pad> and <mask>  the end<end>",
]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def ids_hash(tokenizer, texts):
    digest = hashlib.sha256()
    for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
        digest.update(struct.pack(f"<{len(encoding.ids) + 1}I", len(encoding.ids), *encoding.ids))
    return digest.hexdigest()


def pre_tokenizer(split, prefix=False):
    if split == "gpt2":
        return pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[split]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def trained(texts, split, size, special, least=2):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer(split)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=least,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def merges_of(tokenizer):
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


def answers(tokenizer, texts):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return {
        "ids": ids,
        "with_special": [tokenizer.encode(text).ids for text in texts],
        "decoded": [tokenizer.decode(row, skip_special_tokens=False) for row in ids],
        "skipped": [tokenizer.decode(row) for row in ids],
        "broken": tokenizer.decode([row[0] for row in ids if row] + list(range(150, 300, 7))),
    }


def variants(reviews):
    """tokenizer.json files of every form that is read, with what they make of texts."""
    roberta = trained(reviews, "gpt2", 400, ["<s>", "<pad>", "</s>", "<unk>"])
    roberta.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    roberta.pre_tokenizer = pre_tokenizer("gpt2", prefix=True)
    roberta.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    llama = trained(reviews, "llama3", 400, [])
    llama.add_special_tokens(["<begin>", "<end>", "<pad>"])
    llama.add_tokens([AddedToken("review", rstrip=True, normalized=False)])
    llama.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single="<begin> $A", pair="<begin> $A <begin> $B", special_tokens=[("<begin>", llama.token_to_id("<begin>"))]
            ),
        ]
    )
    document = json.loads(llama.to_str())
    document["model"]["ignore_merges"] = True
    llama = Tokenizer.from_str(json.dumps(document))
    qwen = trained(reviews, "qwen2", 400, ["<end>"])
    qwen.normalizer = normalizers.NFC()
    wide = trained(reviews, "gpt2", 300, ["<end>"])
    wide.normalizer = normalizers.Sequence([normalizers.NFKC()])
    letters = Tokenizer(models.BPE(unk_token="?"))
    letters.pre_tokenizer = pre_tokenizer("gpt2")
    letters.decoder = decoders.ByteLevel()
    letters.train_from_iterator(
        reviews[:20], trainers.BpeTrainer(vocab_size=80, special_tokens=["?"], show_progress=False)
    )
    old = json.loads(letters.to_str())
    old["model"]["merges"] = merges_of(letters)
    old["model"]["fuse_unk"] = True
    fused = Tokenizer.from_str(json.dumps(old))
    cases = {"roberta": roberta, "llama3": llama, "qwen2": qwen, "nfkc": wide, "letters": letters, "fused": fused}
    texts = HARD + ["a review   <mask> of the reviews ", "  <mask>"]
    return {name: {"json": case.to_str(), "texts": texts, **answers(case, texts)} for name, case in cases.items()}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    path = folder / "huggingface-tokenizers.json"
    reviews = (HERE / "../../examples/reviews.csv").read_text("utf8").split("\n")
    strings = generated()
    learned = {}
    for split in ("gpt2", "llama3", "qwen2"):
        special = ["<pad>", "<end>"]
        tokenizer = trained(reviews + strings, split, 1500, special)
        learned[split] = {
            "size": 1500,
            "merges": len(merges_of(tokenizer)),
            "merges_sha256": sha256("\n".join(merges_of(tokenizer)).encode()),
            "first": merges_of(tokenizer)[:20],
            "ids_sha256": ids_hash(tokenizer, strings),
            **answers(tokenizer, HARD),
        }
    runs = ["a" * n for n in range(1, 40)] + ["ab" * n for n in range(1, 20)] + ["-=" * 7 + "-" * n for n in range(30)]
    document = {
        "versions": {"tokenizers": tokenizers.__version__, "python": sys.version.split()[0]},
        "alphabet": ALPHABET,
        "seed": SEED,
        "strings_sha256": sha256("\0".join(strings).encode()),
        "hard": HARD,
        "learned": learned,
        "runs": {"texts": runs, "merges": merges_of(trained(runs, "gpt2", 320, [], least=1))},
        "variants": variants(reviews),
    }
    if len(sys.argv) > 2:
        text = Path(sys.argv[2]).read_text("utf8")[:1_000_000]
        tokenizer = trained(text.split("\n"), "gpt2", 8257, ["<pad>"])
        document["yelp"] = {
            "merges_sha256": sha256("\n".join(merges_of(tokenizer)).encode()),
            "ids_sha256": ids_hash(tokenizer, text.split("\n")),
        }
    elif path.exists():
        document["yelp"] = json.loads(path.read_text("utf8"))["yelp"]
    ours = HERE / "cellstate-bpe.json"
    if ours.exists():
        read = Tokenizer.from_str(ours.read_text("utf8"))
        document["read_back"] = answers(read, HARD)
    path.write_text(json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n", "utf8")


main()
