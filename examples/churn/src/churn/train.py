"""Trains the model, leaves it in the volume, and registers it where there is a registry."""

from __future__ import annotations

import argparse
import json

from churn import package, tracking
from churn.customers import FEATURES, digest, make_customers
from churn.metrics import evaluate
from churn.model import fit
from churn.volume import folder

CUSTOMERS, SEED = 2400, 20


def main(argv: list[str] | None = None) -> None:
    options = _options(argv)
    customers = make_customers(CUSTOMERS, SEED)
    cut = len(customers) * 4 // 5
    seen, kept_back = customers[:cut], customers[cut:]
    model = fit(FEATURES, [c.features() for c in seen], [c.churned for c in seen])
    metrics = evaluate([c.churned for c in kept_back], model.probabilities(c.features() for c in kept_back))

    place = package.write(model, folder(options.volume, "model"))
    (place / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    version = tracking.record(
        tracking.Training(
            experiment=options.experiment,
            model_name=options.model,
            folder=place,
            params={"customers": CUSTOMERS, "seed": SEED, "rounds": len(model.stumps)},
            metrics=metrics,
            tags={"git_sha": options.git_sha} if options.git_sha else {},
            dataset="kept-back",
            digest=digest(kept_back),
        )
    )
    print(f"trained on {len(seen)} customers: " + ", ".join(f"{k} {v:.3f}" for k, v in metrics.items()))
    print(f"model in {place}")
    print(f"registered {options.model} version {version}" if version else "no workspace here: nothing was registered")


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="churn-train", description=__doc__)
    parser.add_argument("--volume", required=True, help="/Volumes/<catalog>/<schema>/<volume>")
    parser.add_argument("--model", required=True, help="three-part name of the registered model")
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--git-sha", default="", help="the commit, for the run's tag")
    return parser.parse_args(argv)
