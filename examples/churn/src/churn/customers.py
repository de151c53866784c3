"""Makes customers, so that the example needs no data set.

Whether a customer leaves follows from what the model may see, plus luck that it may not: a perfect score
would mean a leak. The same seed gives the same customers on every machine.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Customer:
    tenure_months: int
    monthly_charge: float
    support_calls: int
    late_payments: int
    logins_per_week: float
    months_left_in_contract: int
    has_autopay: bool
    churned: bool

    def features(self) -> list[float]:
        """What the model sees, in the order of `FEATURES`."""
        return [float(value) for name, value in asdict(self).items() if name != "churned"]


FEATURES = [field.name for field in fields(Customer) if field.name != "churned"]


def make_customers(count: int, seed: int) -> list[Customer]:
    rng = random.Random(seed)
    return [_customer(rng) for _ in range(count)]


def digest(customers: list[Customer]) -> str:
    """Tells one set of customers from another without showing any of them."""
    text = repr([(*customer.features(), customer.churned) for customer in customers])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _customer(rng: random.Random) -> Customer:
    tenure = min(int(rng.expovariate(1 / 24)), 120)
    charge = round(rng.gauss(62, 18), 2)
    calls = min(int(rng.expovariate(1 / 1.6)), 12)
    late = min(int(rng.expovariate(1 / 0.9)), 8)
    logins = round(max(0.0, rng.gauss(3.2, 1.9)), 2)
    left = rng.randrange(0, 25)
    autopay = rng.random() < 0.55

    unhappy = 0.75 * calls + 0.7 * late + 0.035 * (charge - 62)
    bound = 0.16 * left + 0.028 * tenure + 0.75 * logins + (0.9 if autopay else 0.0)
    stuck_with_no_help = 1.6 if calls >= 4 and logins < 2 else 0.0
    leaning = 1.7 * (unhappy - bound + stuck_with_no_help + 3.6)
    churned = rng.random() < 1 / (1 + math.exp(-leaning))
    return Customer(tenure, charge, calls, late, logins, left, autopay, churned)
