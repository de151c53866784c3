"""Gradient-boosted regression trees of depth one, in the standard library alone.

A library would train faster; nobody waits for two thousand customers, and a model that is plain JSON can be read
by a reviewer, compared byte by byte, and scored where nothing can be installed.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BINS = 24


@dataclass(frozen=True)
class Stump:
    """One question: is the feature above the threshold?"""

    feature: int
    threshold: float
    below: float
    above: float

    def value(self, row: Sequence[float]) -> float:
        return self.above if row[self.feature] > self.threshold else self.below


@dataclass(frozen=True)
class Model:
    features: list[str]
    start: float
    stumps: list[Stump]

    def probability(self, row: Sequence[float]) -> float:
        return _sigmoid(self.start + sum(stump.value(row) for stump in self.stumps))

    def probabilities(self, rows: Iterable[Sequence[float]]) -> list[float]:
        return [self.probability(row) for row in rows]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Model:
        raw = json.loads(text)
        return cls(raw["features"], raw["start"], [Stump(**stump) for stump in raw["stumps"]])

    @classmethod
    def load(cls, path: Path) -> Model:
        return cls.from_json(path.read_text(encoding="utf-8"))


def fit(
    features: list[str],
    rows: Sequence[Sequence[float]],
    labels: Sequence[bool],
    rounds: int = 120,
    learning_rate: float = 0.25,
) -> Model:
    """Boosts stumps on the logistic loss; each round asks the question that explains most of what is left."""
    positive = sum(labels)
    if not 0 < positive < len(labels):
        raise ValueError("training needs customers who left and customers who stayed")
    start = math.log(positive / (len(labels) - positive))
    edges = [_edges([row[i] for row in rows]) for i in range(len(features))]
    binned = [[bisect_right(edges[i], row[i]) for row in rows] for i in range(len(features))]
    scores = [start] * len(rows)
    stumps = []
    for _ in range(rounds):
        predicted = [_sigmoid(score) for score in scores]
        gradient = [label - p for label, p in zip(labels, predicted)]
        curvature = [p * (1 - p) for p in predicted]
        feature, cut, below, above = _best_question(edges, binned, gradient, curvature)
        stump = Stump(feature, edges[feature][cut], learning_rate * below, learning_rate * above)
        stumps.append(stump)
        scores = [s + (stump.above if b > cut else stump.below) for s, b in zip(scores, binned[feature])]
    return Model(features, start, stumps)


def _best_question(edges, binned, gradient, curvature) -> tuple[int, int, float, float]:
    best = (-math.inf, 0, 0, 0.0, 0.0)
    for feature, bins in enumerate(binned):
        gradients, curvatures = [0.0] * (BINS + 1), [0.0] * (BINS + 1)
        for index, g, c in zip(bins, gradient, curvature):
            gradients[index] += g
            curvatures[index] += c
        all_g, all_c = sum(gradients), sum(curvatures)
        left_g = left_c = 0.0
        for cut in range(len(edges[feature])):
            left_g += gradients[cut]
            left_c += curvatures[cut]
            # One is added to each curvature: a leaf with few customers must not shout.
            below, above = left_g / (left_c + 1), (all_g - left_g) / (all_c - left_c + 1)
            gain = below * left_g + above * (all_g - left_g)
            if gain > best[0]:
                best = (gain, feature, cut, below, above)
    return best[1:]


def _edges(values: list[float]) -> list[float]:
    """Up to `BINS` thresholds with about as many customers between each two."""
    ordered = sorted(values)
    picked = {ordered[len(ordered) * i // (BINS + 1)] for i in range(1, BINS + 1)}
    return sorted(picked - {ordered[-1]})


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score)) if score >= 0 else 1 - 1 / (1 + math.exp(score))
