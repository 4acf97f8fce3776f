"""Components of variance: against known components in simulated designs, and against SciPy's analysis of variance."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from numpy.typing import NDArray

from digitpairs.analysis.components import between_sets, by_set, crossed_components, other_data, variance_components

FACTORS = ("dataset", "initialisation", "order")
# As a pilot's, in deviations: most of the variance belongs to no factor alone.
KNOWN = {"dataset": 0.006, "initialisation": 0.002, "order": 0.002, "initialisation x order": 0.004, "residual": 0.012}
NONE = ("dataset x initialisation", "dataset x order")


def crossed(rng: np.random.Generator, shape: tuple[int, ...] = (12, 4, 4)) -> NDArray[np.float64]:
    """Draw a design of errors with the known components."""
    errors = np.full(shape, 0.18)
    for name, deviation in KNOWN.items():
        own = FACTORS if name == "residual" else name.split(" x ")
        levels = [n if factor in own else 1 for factor, n in zip(FACTORS, shape, strict=True)]
        errors = errors + rng.normal(0, deviation, levels)
    return errors


def test_known_components_of_a_crossed_design_are_found_and_covered() -> None:
    rng = np.random.default_rng(0)
    designs = [crossed_components(crossed(rng), FACTORS) for _ in range(400)]
    assert set(designs[0]) == {*KNOWN, *NONE}
    for name in designs[0]:
        truth = KNOWN.get(name, 0.0) ** 2
        estimates = np.array([design[name].estimate for design in designs])
        assert abs(estimates.mean() - truth) < 4 * estimates.std() / len(designs) ** 0.5, name
        covered = np.mean([design[name].low <= truth <= design[name].high for design in designs])
        assert covered >= 0.92, name
        if name in ("dataset", "residual"):  # the others hold zero more often than not, and so may cover more
            assert covered <= 0.98, name


def test_sums_of_squares_add_up() -> None:
    errors = crossed(np.random.default_rng(1), (3, 4, 5))
    found = crossed_components(errors, FACTORS)
    # The components, each as often as it stands in a value, are the expected variance of a value about its own mean.
    single = crossed_components(errors[:, :, 0], FACTORS[:2])
    rows, columns = errors[:, :, 0].mean(1, keepdims=True), errors[:, :, 0].mean(0, keepdims=True)
    left = errors[:, :, 0] - rows - columns + errors[:, :, 0].mean()
    assert single["residual"].estimate == pytest.approx((left**2).sum() / 6)
    assert single["dataset"].estimate == pytest.approx((4 * rows.var(ddof=1) - (left**2).sum() / 6) / 4)
    assert len(found) == 7


def test_factors_without_an_effect() -> None:
    errors = np.add.outer(np.arange(3.0), np.zeros((4, 5)))
    found = crossed_components(errors, FACTORS)
    assert found.pop("dataset").estimate == pytest.approx(1)
    assert all(component == pytest.approx((0, 0, 0)) for component in found.values())


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 2)])
def test_too_few_levels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two levels or more"):
        crossed_components(np.zeros(shape), FACTORS)


def rows_of(errors: NDArray[np.float64], model: str) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([range(1, 1 + n) for n in errors.shape], names=FACTORS)
    return pd.DataFrame({"test_error": errors.ravel()}, index).reset_index().assign(model=model)


def test_a_table_of_crossed_rounds() -> None:
    errors = crossed(np.random.default_rng(2))
    diverged = errors.copy()
    diverged[5, 1, 2] = np.nan
    table = pd.concat([rows_of(errors, "baseline"), rows_of(diverged, "siamese"), rows_of(errors[:1], "deeper")])
    found = variance_components(table.sample(frac=1, random_state=0))
    expected = {"baseline": errors, "siamese": np.delete(errors, 5, axis=0)}
    for model, kept in expected.items():
        same = crossed_components(kept, FACTORS)
        assert found[model].keys() == same.keys()
        assert all(found[model][name] == pytest.approx(component) for name, component in same.items())
    assert found["deeper"] == {}


def test_between_sets_covers_what_was_simulated() -> None:
    rng = np.random.default_rng(3)
    n = 1000
    designs = 0.03 + rng.normal(0, 0.004, (n, 14, 1)) + rng.normal(0, 0.006, (n, 14, 4))
    fits = [between_sets(design) for design in designs]
    for name, truth in (("mean", 0.03), ("between", 0.004**2), ("within", 0.006**2)):
        found: list[Any] = [getattr(fit, name) for fit in fits]
        assert 0.935 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.965, name
        estimates = np.array([one.estimate for one in found])
        assert abs(estimates.mean() - truth) < 4 * estimates.std() / n**0.5, name


def test_between_sets_agrees_with_the_analysis_of_variance() -> None:
    errors = np.random.default_rng(4).normal(size=(5, 3)) + np.arange(5)[:, None]
    fit = between_sets(errors)
    f = scipy.stats.f_oneway(*errors).statistic
    assert 1 + 3 * fit.between.estimate / fit.within.estimate == pytest.approx(f)
    means = errors.mean(1)
    low, high = scipy.stats.t.interval(0.95, 4, means.mean(), scipy.stats.sem(means))
    assert fit.mean == pytest.approx((means.mean(), low, high))
    assert (fit.sets, fit.diverged) == (5, 0)


def test_diverged_rounds_and_too_few_sets() -> None:
    errors = np.random.default_rng(5).normal(0.1, 0.01, (4, 3))
    errors[0] = errors[1, 2] = np.nan
    fit = between_sets(errors)
    assert (fit.sets, fit.diverged) == (3, 4)
    f = scipy.stats.f_oneway(errors[1, :2], errors[2], errors[3]).statistic
    size = (8 - 22 / 8) / 2
    assert 1 + size * fit.between.estimate / fit.within.estimate == pytest.approx(f)
    assert np.isnan([*between_sets(errors[:2]).mean, *between_sets(errors[:2]).between]).all()
    single = between_sets(errors[2:, :1])
    assert np.isnan(single.within.estimate) and not np.isnan(single.mean.low)


def test_errors_and_gains_on_other_data() -> None:
    rng = np.random.default_rng(6)
    errors = {model: rng.normal(mean, 0.01, (3, 2)) for model, mean in (("baseline", 0.18), ("siamese", 0.1))}
    table = pd.concat(
        pd.DataFrame({"model": model, "set": [1, 1, 2, 2, 3, 3], "round": range(1, 7), "test_error": values.ravel()})
        for model, values in errors.items()
    )
    np.testing.assert_array_equal(by_set(table[table["model"] == "siamese"]), errors["siamese"])
    gains = {"sharing": ("baseline", "siamese"), "auxiliary losses": ("siamese", "siamese_aux")}
    found = other_data(table, gains)
    assert set(found) == {"baseline", "siamese", "sharing"}
    assert found["sharing"] == between_sets(errors["siamese"] - errors["baseline"])


def test_intervals_are_the_same_in_each_run() -> None:
    errors = crossed(np.random.default_rng(7))
    assert crossed_components(errors, FACTORS) == crossed_components(errors, FACTORS)
