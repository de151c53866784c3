"""Scores today's customers with the model in the volume; in production this is what the schedule runs."""

from __future__ import annotations

import argparse
import csv

from churn import package
from churn.customers import FEATURES, make_customers
from churn.model import Model
from churn.volume import folder


def main(argv: list[str] | None = None) -> None:
    options = _options(argv)
    model = Model.load(folder(options.volume, "model") / package.MODEL_FILE)
    customers = make_customers(options.customers, seed=options.day)
    out = folder(options.volume, "scores") / f"day={options.day}.csv"
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*FEATURES, "probability"])
        for customer, probability in zip(customers, model.probabilities(c.features() for c in customers)):
            writer.writerow([*customer.features(), f"{probability:.6f}"])
    print(f"scored {len(customers)} customers into {out}")


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="churn-score", description=__doc__)
    parser.add_argument("--volume", required=True, help="/Volumes/<catalog>/<schema>/<volume>")
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--day", type=int, default=1)
    return parser.parse_args(argv)
