"""Asks, within a second, whether what was deployed works at all.

It runs in every environment straight after a deployment: the wheel is installed, its entry points are there, the
parameters are those of this environment, and a small model learns, survives being written down, and says something
sensible. It touches no data.
"""

from __future__ import annotations

import argparse
import sys
from importlib import metadata

from churn.customers import FEATURES, make_customers
from churn.metrics import roc_auc
from churn.model import Model, fit

ENTRY_POINTS = {"churn-train", "churn-validate", "churn-score", "churn-smoke"}


def main(argv: list[str] | None = None) -> None:
    options = _options(argv)
    problems = [*_installation(), *_placement(options.catalog, options.environment), *_learning()]
    for problem in problems:
        print(f"FAIL {problem}")
    if problems:
        sys.exit(f"smoke test failed: {problems[0]}")
    print(f"PASS churn {metadata.version('churn')} works in {options.environment} (catalog {options.catalog})")


def _installation() -> list[str]:
    scripts = metadata.distribution("churn").entry_points.select(group="console_scripts")
    missing = ENTRY_POINTS - {script.name for script in scripts}
    return [f"the wheel has no entry point `{name}`" for name in sorted(missing)]


def _placement(catalog: str, environment: str) -> list[str]:
    """A shared environment writes to the catalog of its own name; a sandbox to its owner's."""
    right = catalog.endswith("_sandbox") if environment == "sandbox" else catalog == environment
    return [] if right else [f"environment `{environment}` would write to catalog `{catalog}`"]


def _learning() -> list[str]:
    seen, fresh = make_customers(400, seed=1), make_customers(300, seed=2)
    model = fit(FEATURES, [c.features() for c in seen], [c.churned for c in seen], rounds=25)
    scores = model.probabilities(c.features() for c in fresh)
    problems = []
    if not all(0 <= score <= 1 for score in scores):
        problems.append("a probability is not between 0 and 1")
    if roc_auc([c.churned for c in fresh], scores) < 0.75:
        problems.append("the model does not tell those who leave from those who stay")
    if Model.from_json(model.to_json()) != model:
        problems.append("a model that was written down is not the same when read back")
    return problems


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="churn-smoke", description=__doc__)
    parser.add_argument("--catalog", required=True)
    parser.add_argument("--environment", required=True)
    return parser.parse_args(argv)
