import pytest

from churn.customers import FEATURES, make_customers
from churn.metrics import evaluate, roc_auc
from churn.model import Model, fit


def trained(count=600, rounds=40):
    customers = make_customers(count, seed=5)
    return fit(FEATURES, [c.features() for c in customers], [c.churned for c in customers], rounds=rounds)


def test_the_same_seed_makes_the_same_customers():
    assert make_customers(50, seed=3) == make_customers(50, seed=3)
    assert make_customers(50, seed=3) != make_customers(50, seed=4)


def test_training_twice_gives_the_same_bytes():
    assert trained().to_json() == trained().to_json()


def test_a_model_survives_being_written_down():
    model = trained()
    assert Model.from_json(model.to_json()) == model


def test_the_model_tells_leavers_from_stayers_it_has_never_seen():
    model = trained()
    fresh = make_customers(500, seed=6)
    scores = model.probabilities(c.features() for c in fresh)
    assert roc_auc([c.churned for c in fresh], scores) > 0.85


def test_unhappy_customers_score_higher():
    model = trained()
    happy = [60.0, 40.0, 0.0, 0.0, 6.0, 20.0, 1.0]
    unhappy = [2.0, 95.0, 8.0, 4.0, 0.5, 0.0, 0.0]
    assert model.probability(unhappy) > 0.9 > 0.1 > model.probability(happy)


def test_one_sided_data_is_refused():
    with pytest.raises(ValueError, match="left and customers who stayed"):
        fit(["x"], [[1.0], [2.0]], [True, True])


def test_a_constant_feature_asks_no_question():
    model = fit(["same", "x"], [[1.0, float(i)] for i in range(40)], [i > 20 for i in range(40)], rounds=5)
    assert {stump.feature for stump in model.stumps} == {1}


@pytest.mark.parametrize(
    ("scores", "area"),
    [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.5] * 4, 0.5), ([0.1, 0.6, 0.6, 0.9], 0.875)],
)
def test_area_under_the_curve(scores, area):
    assert roc_auc([False, False, True, True], scores) == pytest.approx(area)


def test_nobody_flagged_is_zero_and_not_a_crash():
    metrics = evaluate([True, False], [0.4, 0.1])
    assert (metrics["precision"], metrics["recall"], metrics["f1"]) == (0.0, 0.0, 0.0)
