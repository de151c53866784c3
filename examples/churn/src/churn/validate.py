"""Judges the trained model on customers it has never seen, and fails when it is not good enough.

A training job that ends well has proved nothing: only this one says PASS. It judges the registered version that it is
named, and logs what it measures on that version's run, for the gate; without a version it judges what lies in the volume.
"""

from __future__ import annotations

import argparse
import sys

from churn import package, tracking
from churn.customers import digest, make_customers
from churn.metrics import evaluate
from churn.model import Model
from churn.volume import folder

HOLDOUT, HOLDOUT_SEED = 1000, 77


def main(argv: list[str] | None = None) -> None:
    options = _options(argv)
    if options.version:
        model = Model.from_json(tracking.fetch(options.model, options.version, package.MODEL_FILE))
    else:
        model = Model.load(folder(options.volume, "model") / package.MODEL_FILE)
    holdout = make_customers(HOLDOUT, HOLDOUT_SEED)
    metrics = evaluate([c.churned for c in holdout], model.probabilities(c.features() for c in holdout))
    if options.version:
        tracking.measured(options.model, options.version, metrics, "holdout", digest(holdout))
    wanted = {"roc_auc": options.roc_auc, "f1": options.f1, "precision": options.precision}
    for name, floor in wanted.items():
        print(f"{'PASS' if metrics[name] >= floor else 'FAIL'} {name} {metrics[name]:.3f}, at least {floor:.2f}")
    failed = [name for name, floor in wanted.items() if not metrics[name] >= floor]
    if failed:
        sys.exit("the model is not good enough: " + ", ".join(failed))


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="churn-validate", description=__doc__)
    parser.add_argument("--volume", required=True, help="/Volumes/<catalog>/<schema>/<volume>")
    parser.add_argument("--model", default="", help="three-part name of the registered model")
    parser.add_argument("--version", default="", help="of that model: the one to judge")
    parser.add_argument("--roc-auc", type=float, default=0.80)
    parser.add_argument("--f1", type=float, default=0.72)
    parser.add_argument("--precision", type=float, default=0.70)
    return parser.parse_args(argv)
