"""Probabilities and perplexities of interpolated Kneser-Ney n-gram models: with one discount by nltk.lm, with the modified
discounts of Chen & Goodman (1998) by their equations over explicit dictionaries.

    pip install nltk==3.10.4
    python test/golden/n_gram_nltk.py > test/golden/n-gram-nltk.json

nltk ends at the shares of the unigrams; here, as in Chen & Goodman, these are interpolated with equal probabilities, too.
The subclass below does that, with the counts of nltk.
"""

import json
import math
import sys
from collections import Counter, defaultdict

import nltk
from nltk.lm import Vocabulary
from nltk.lm.models import InterpolatedLanguageModel
from nltk.lm.smoothing import KneserNey
from nltk.util import everygrams


class Uniform(KneserNey):
    """KneserNey whose unigrams are interpolated with equal probabilities."""

    def unigram_score(self, word):
        if self._order == 1:
            count, total = self.counts[1][word], self.counts[1].N()
            kinds = len(self.counts[1])
        else:
            count, total = self._continuation_counts(word)
            kinds = sum(1 for other in self.vocab if self._continuation_counts(other)[0] > 0)
        size = len(self.vocab) - 1  # without nltk's own token for unknown words
        return (max(count - self.discount, 0) + self.discount * kinds / size) / total


class Model(InterpolatedLanguageModel):
    def __init__(self, order, discount, **rest):
        super().__init__(Uniform, order, params={"discount": discount, "order": order}, **rest)


def text(seed, length, size):
    """Ids that depend on the two before them, without a library."""
    state, ids = seed, []
    for i in range(length):
        state = (state * 48271) % 2147483647
        a = ids[-1] if ids else 0
        b = ids[-2] if len(ids) > 1 else 0
        ids.append((2 * a + b + [0, 0, 0, 1, 1, 2, 5][state % 7]) % size)
    return ids


def by_nltk(ids, order, discount, size, held):
    names = [str(i) for i in ids]
    vocabulary = Vocabulary([str(i) for i in range(size)])
    model = Model(order, discount, vocabulary=vocabulary)
    model.fit([list(everygrams(names, max_len=order))])
    scores = []
    for at in range(1, len(held)):
        history = [str(i) for i in held[max(0, at - order + 1) : at]]
        scores.append(model.score(str(held[at]), history or None))
    return scores


def modified(ids, order, size, held):
    """Chen & Goodman (1998), section 4.1.6 and equation 25, without sharing of anything between orders."""
    raw = [Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)) for n in range(1, order + 1)]
    counts = []
    for n in range(1, order + 1):
        if n == order:
            counts.append(dict(raw[n - 1]))
        else:
            left = defaultdict(set)
            for gram in raw[n]:
                left[gram[1:]].add(gram[0])
            counts.append({gram: len(tokens) for gram, tokens in left.items()})
    discounts = []
    for level in counts:
        n1, n2, n3, n4 = (sum(1 for c in level.values() if c == k) for k in (1, 2, 3, 4))
        try:
            y = n1 / (n1 + 2 * n2)
            d = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
            ok = all(0 <= value <= k + 1 for k, value in enumerate(d))
        except ZeroDivisionError:
            ok = False
        discounts.append(d if ok else [0.5, 1, 1.5])

    def p(token, history):
        below = p(token, history[1:]) if history else 1 / size
        level, d = counts[len(history)], discounts[len(history)]
        behind = {gram[-1]: c for gram, c in level.items() if gram[:-1] == history}
        total = sum(behind.values())
        if total == 0:
            return below
        taken = lambda c: min(c, d[min(c, 3) - 1]) if c > 0 else 0
        c = behind.get(token, 0)
        return (c - taken(c) + sum(taken(other) for other in behind.values()) * below) / total

    return [p(held[at], tuple(held[max(0, at - order + 1) : at])) for at in range(1, len(held))], discounts


cases = []
for seed, length, size in [(3, 400, 7), (11, 900, 30)]:
    ids, held = text(seed, length, size), text(seed + 1, 60, size)
    for order in (1, 2, 3, 5):
        for discount in (0.1, 0.75):
            cases.append(
                {"seed": seed, "order": order, "discount": discount, "size": size, "ids": ids, "held": held,
                 "scores": by_nltk(ids, order, discount, size, held)}
            )
        scores, _ = modified(ids, order, size, held)
        cases.append(
            {"seed": seed, "order": order, "discount": "modified", "size": size, "ids": ids, "held": held, "scores": scores}
        )
for case in cases:
    case["perplexity"] = math.exp(-sum(math.log(score) for score in case["scores"]) / len(case["scores"]))
json.dump({"nltk": nltk.__version__, "cases": cases}, sys.stdout, separators=(",", ":"))
print()
