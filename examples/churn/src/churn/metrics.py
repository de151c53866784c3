"""The numbers a gate looks at."""

from __future__ import annotations

from collections.abc import Sequence


def evaluate(labels: Sequence[bool], probabilities: Sequence[float], cut: float = 0.5) -> dict[str, float]:
    said = [p >= cut for p in probabilities]
    hits = sum(s and label for s, label in zip(said, labels))
    precision = hits / sum(said) if any(said) else 0.0
    recall = hits / sum(labels) if any(labels) else 0.0
    both = precision + recall
    return {
        "roc_auc": roc_auc(labels, probabilities),
        "f1": 2 * precision * recall / both if both else 0.0,
        "precision": precision,
        "recall": recall,
    }


def roc_auc(labels: Sequence[bool], probabilities: Sequence[float]) -> float:
    """The chance that one who left scores above one who stayed; ties count half."""
    positive = sum(labels)
    negative = len(labels) - positive
    if not positive or not negative:
        raise ValueError("the area under the curve needs customers who left and customers who stayed")
    ranked = sorted(zip(probabilities, labels))
    ranks, i = 0.0, 0
    while i < len(ranked):
        j = i
        while j < len(ranked) and ranked[j][0] == ranked[i][0]:
            j += 1
        ranks += sum(label for _, label in ranked[i:j]) * (i + 1 + j) / 2
        i = j
    return (ranks - positive * (positive + 1) / 2) / (positive * negative)
