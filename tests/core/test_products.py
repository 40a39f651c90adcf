"""The products against pairs of responses taken one by one, and what they must do on any rollout.

Their unbiasedness is proved in test_products_exact.py.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core.estimators import pass_at_k_advantages
from acute.core.products import Products, coefficients, first_negative, plug_in, unbiased
from tests.core.asserts import assert_close
from tests.core.rollouts import (
    grouped,
    merged,
    own_product_slowly,
    plug_in_slowly,
    product_slowly,
    products_of,
    random_rollout,
    unbiased_slowly,
)
from tests.worlds import world

KS = [1, 2, 4]
OF = ("finite", "population", "naive", "psi_N", "deviation_NM")
SCALARS = OF[:3]
few = settings(deadline=None, max_examples=30)


@st.composite
def rollouts(draw, least=2, prompts=2):
    """Any rollout: its folds and prompts have different numbers of responses, some without a success."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(prompts, prompts + 3)), draw(st.integers(2, 4))
    return random_rollout(rng, rng.integers(least, 6, size=shape), p=draw(st.floats(0.1, 0.9)))


def assert_same(one, other, slack=1e-9):
    for of in OF:
        assert_close(getattr(one, of), getattr(other, of), slack=slack, message=of)


@few
@given(rollouts())
def test_they_are_means_over_pairs_of_prompts_and_of_folds(rollout):
    fast = products_of(rollout, unbiased(1), unbiased(2), plug_in(3))
    slow = [unbiased_slowly(1), unbiased_slowly(2), plug_in_slowly(3)]
    for i, j in ((0, 0), (1, 0), (0, 1), (2, 0), (1, 2)):
        found = fast.product(i, j)
        for of, want in product_slowly(rollout, slow[i], slow[j]).items():
            if of != "finite" or 2 in (i, j):
                assert_close(getattr(found, of), want, message=of)


@few
@given(rollouts(), st.sampled_from([(1, 1), (2, 1), (1, 2), (3, 1), (2, 2)]))
def test_own_products_are_means_over_pairs_of_responses_of_different_folds(rollout, ks):
    """The weight of a pair is counted over all other responses, whichever folds they are in."""
    found = products_of(rollout, *map(unbiased, ks)).own(0, 1)
    assert_close(found, [own_product_slowly(prompt, *ks) for prompt in rollout])


@few
@given(rollouts())
def test_they_are_symmetric(rollout):
    products = products_of(rollout, unbiased(2), plug_in(2))
    assert_same(products.product(0, 1), products.product(1, 0))


@few
@given(rollouts(), st.floats(-2, 2), st.floats(-2, 2))
def test_they_are_linear_in_an_objective(rollout, a, b):
    """The product with a mixture of objectives is the mixture of the products."""

    def mixed(n, c):
        parts = [pass_at_k_advantages(n, c, k) for k in (1, 2)]
        return tuple(a * one + b * two for one, two in zip(*parts, strict=True))

    plain = [lambda n, c, k=k: pass_at_k_advantages(n, c, k) for k in (1, 2)]  # not known to be pass@k
    products = products_of(rollout, mixed, *plain, plug_in(2))
    whole = products.product(0, 3)
    for of in OF:
        parts = [getattr(products.product(i, 3), of) for i in (1, 2)]
        assert_close(getattr(whole, of), a * parts[0] + b * parts[1], slack=1e-8, message=of)


@few
@given(rollouts(), st.floats(0.1, 5))
def test_they_are_quadratic_in_the_gradients_and_do_not_see_a_rotation(rollout, factor):
    n, c, sums = grouped(rollout)
    coefs = coefficients([unbiased(1), unbiased(2)], n, c)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(sums.shape[-1],) * 2))[0]
    one, turned, scaled = (Products(x, coefs).product(0, 1) for x in (sums, sums @ turn, factor * sums))
    assert_same(one, turned)
    for of in OF:
        assert_close(getattr(scaled, of), factor**2 * getattr(one, of), message=of)


@few
@given(rollouts(), st.randoms(use_true_random=False))
def test_the_order_of_prompts_and_folds_carries_through(rollout, random):
    n, m = len(rollout), len(rollout[0])
    prompts, folds = random.sample(range(n), n), random.sample(range(m), m)
    one = products_of(rollout, unbiased(1), unbiased(2)).product(0, 1)
    other = products_of([[rollout[x][f] for f in folds] for x in prompts], unbiased(1), unbiased(2))
    other = other.product(0, 1)
    for of in SCALARS:
        assert_close(getattr(other, of), getattr(one, of), message=of)
    assert_close(other.psi_N, one.psi_N[prompts])
    assert_close(other.deviation_NM, one.deviation_NM[prompts][:, folds])


@few
@given(rollouts())
def test_how_responses_are_spread_over_folds_matters_to_finite_alone(rollout):
    moved = [[prompt[0] + prompt[1][:1], prompt[1][1:], *prompt[2:]] for prompt in rollout]
    one, other = (products_of(r, unbiased(1), unbiased(1)).product(0, 1) for r in (rollout, moved))
    for of in ("population", "naive", "psi_N"):
        assert_close(getattr(other, of), getattr(one, of), message=of)


@few
@given(rollouts())
def test_a_response_without_a_gradient_counts_all_the_same(rollout):
    """It changes the counts, and through them the weights of the others."""
    silent = [[[*fold, (1, np.zeros(3))] for fold in prompt] for prompt in rollout]
    found = products_of(silent, unbiased(2), plug_in(1)).product(0, 1)
    for of, want in product_slowly(silent, unbiased_slowly(2), plug_in_slowly(1)).items():
        assert_close(getattr(found, of), want, message=of)


@few
@given(rollouts(prompts=3))
def test_psi_is_what_deleting_a_prompt_does(rollout):
    """U less U without x is psi_x / (N - 2), exactly: U is a mean over pairs of prompts."""
    whole = products_of(rollout, unbiased(2), unbiased(1)).product(0, 1)
    for x in range(len(rollout)):
        left = rollout[:x] + rollout[x + 1 :]
        without = products_of(left, unbiased(2), unbiased(1)).product(0, 1)
        change = (len(rollout) - 2) * (whole.population - without.population)
        assert_close(change, whole.psi_N[x], slack=1e-8)
    assert whole.psi_N.sum() == pytest.approx(0, abs=1e-8)


@few
@given(rollouts(least=3))
def test_deviations_are_what_deleting_responses_does(rollout):
    """Each response left out alone, in both factors at one prompt, to first order; added up by fold.

    The product is ⟨Σ_x ĝ_j(x), Σ_x ĝ_k(x)⟩ / N², and deletion moves both factors, by δ_j and δ_k:
    N · change = ⟨δ_j, mean ĝ_k⟩ + ⟨δ_k, mean ĝ_j⟩ to first order. With D = -(n - 1) N · change, a fold's
    deviation is Σ D over it, less its share of the sum over all, over √(n² - Σ n_m²).
    """
    slow = (unbiased_slowly(2), plug_in_slowly(3))
    found = products_of(rollout, unbiased(2), plug_in(3)).product(0, 1).deviation_NM
    means = [np.mean([g(merged(prompt)) for prompt in rollout], axis=0) for g in slow]
    for x, prompt in enumerate(rollout):
        responses = merged(prompt)
        n, sizes = len(responses), np.array([len(fold) for fold in prompt])
        changes = []
        for i in range(n):
            left = responses[:i] + responses[i + 1 :]
            moved = [g(left) - g(responses) for g in slow]
            changes.append(-(n - 1) * (moved[0] @ means[1] + moved[1] @ means[0]))
        ends = np.cumsum([0, *sizes])
        of_fold = np.array([sum(changes[a:b]) for a, b in itertools.pairwise(ends)])
        want = (of_fold - sizes / n * sum(changes)) / np.sqrt(n**2 - (sizes**2).sum())
        assert_close(found[x], want, slack=1e-8)


@few
@given(rollouts())
def test_with_a_fold_a_response_the_variance_is_the_jackknifes(rollout):
    """Σ squares = (n - 1)/n Σ (deleted - mean)², of N · the product to first order."""
    single = [[[response] for response in merged(prompt)] for prompt in rollout]
    size = min(len(prompt) for prompt in single)
    single = [prompt[:size] for prompt in single]
    found = products_of(single, unbiased(1)).product(0, 0).deviation_NM
    g = unbiased_slowly(1)
    mean = np.mean([g(merged(prompt)) for prompt in single], axis=0)
    if size > 2:
        for x, prompt in enumerate(single):
            kept = [merged(prompt[:i] + prompt[i + 1 :]) for i in range(size)]
            deleted = np.array([2 * g(rest) @ mean for rest in kept])
            want = (size - 1) / size * ((deleted - deleted.mean()) ** 2).sum()
            assert (found[x] ** 2).sum() == pytest.approx(want)


@pytest.mark.parametrize("folds", [2, 4])
def test_deviations_give_the_spread_of_the_estimate(folds):
    """The variance, averaged over repetitions, against the spread over repetitions."""
    w = world(N=20)
    rng = np.random.default_rng(2)
    values, variances = [], []
    for _ in range(600):
        n_NM, c_NM, sums = w.roll(64, folds, rng)
        product = Products(sums, coefficients([unbiased(k) for k in KS], n_NM, c_NM)).product(2, 0)
        variances.append((product.deviation_NM**2).sum() / 20**2)
        values.append(product.finite)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.25)


@few
@given(rollouts())
def test_own_deviations_are_those_of_a_product_restricted_to_the_prompt(rollout):
    n, c, sums = grouped(rollout)
    base, N = coefficients([unbiased(1), unbiased(2)], n, c), len(rollout)
    some = coefficients([unbiased(2)], n, c).restricted(np.eye(N))
    products = Products(sums, base + some)
    own = products.own_deviation(1, 0)
    for x in range(N):
        assert_close(own[x], products.product(2 + x, 0).deviation_NM[x])


@few
@given(rollouts(prompts=3))
def test_interaction_is_the_mean_over_pairs_of_prompts(rollout):
    """h = (⟨ĝ_j(x), ĝ_k(x')⟩ + ⟨ĝ_j(x'), ĝ_k(x)⟩)/2 - θ - (ψ_h(x) + ψ_h(x'))/2, weighted with any ψ ψ'."""
    N = len(rollout)
    g2, g1 = (np.array([unbiased_slowly(k)(merged(prompt)) for prompt in rollout]) for k in (2, 1))
    products = products_of(rollout, unbiased(2), unbiased(1))
    product, psi = products.product(0, 1), products.product(1, 1).psi_N
    pairs = (g2 @ g1.T + g1 @ g2.T) / 2 - product.population
    pairs = pairs - (product.psi_N[:, None] + product.psi_N) / 2
    want = sum(psi[x] * psi[y] * pairs[x, y] for x in range(N) for y in range(N) if x != y) / (N * (N - 1))
    other = product.psi_N - psi
    found, *_, again = products.interactions([(0, 1, psi), (1, 1, other), (0, 1, psi)])
    assert_close(found, want, slack=1e-8)
    assert found == again


def test_with_many_responses_every_estimate_is_the_truth():
    w = world()
    n_NM, c_NM, sums = w.roll(4_000_000, 2, np.random.default_rng(0))
    products = Products(sums, coefficients([unbiased(1), unbiased(4), plug_in(4)], n_NM, c_NM))
    assert products.product(1, 0).finite == pytest.approx(w.inner(4), rel=0.02)
    assert products.product(2, 0).finite == pytest.approx(w.inner(4), rel=0.02)
    off_diagonal = (144 * w.inner(1) - (w.grad_p_ND**2).sum()) / (12 * 11)
    assert products.product(0, 0).population == pytest.approx(off_diagonal, rel=0.02)


def test_values_by_hand():
    """Two prompts, two folds of two, one number a response. RLOO: ±1 where the fold disagrees, else 0.

    Prompt 0: folds (right 3, wrong 1), (right 2, right 5); prompt 1: (wrong 1, right 2), (wrong 4, wrong 4).
    """
    one = np.array([1.0])
    first = [[(1, 3 * one), (0, 1 * one)], [(1, 2 * one), (1, 5 * one)]]
    second = [[(0, 1 * one), (1, 2 * one)], [(0, 4 * one), (0, 4 * one)]]
    found = products_of([first, second], unbiased(1)).product(0, 0)
    # four responses: prompt 0 has c = 3, advantages 1/3 and -1; prompt 1 has c = 1, advantages 1 and -1/3
    g0, g1 = ((3 + 2 + 5) / 3 - 1) / 4, (2 - (1 + 4 + 4) / 3) / 4
    assert (g0, g1) == (pytest.approx(7 / 12), pytest.approx(-1 / 4))
    assert found.population == pytest.approx(g0 * g1)
    assert found.naive == pytest.approx((g0 + g1) ** 2 / 4)
    # prompt 0, pairs over folds: right 3 with 2 and 5, of the others one of two right: (1/2)² 3 (2 + 5);
    # wrong 1 with 2 and 5, of the others both right: (-1)(0): nothing. Prompt 1: wrong 1 with wrong 4, of
    # the others one right: (1/2)² 1 · 8; right 2 with wrong 4, of the others none right: (1)(0): nothing
    own_0, own_1 = 3 * 7 / 4 / 4, 1 * 8 / 4 / 4
    assert found.finite == pytest.approx((own_0 + own_1 + 2 * g0 * g1) / 4)
    assert found.psi_N == pytest.approx([0, 0])
    # ĝ of prompt 0 without each response: right 3: ((2 + 5)/2 - 1)/3, wrong 1: 0, ...; D = 3 (ĝ - that)
    mean = (g0 + g1) / 2
    without = [((2 + 5) / 2 - 1) / 3, 0, ((3 + 5) / 2 - 1) / 3, ((3 + 2) / 2 - 1) / 3]
    d = 3 * (g0 - np.array(without))
    one_fold = (d[0] + d[1]) * 2 * mean / np.sqrt(16 - 8)
    assert found.deviation_NM[0] == pytest.approx([one_fold, -one_fold])


def test_coefficients_by_hand():
    """n = 2 + 2, c = 1 + 2, k = 1: RLOO over n; what no response carries is 0."""
    found = coefficients([unbiased(1)], np.array([[2.0, 2.0]]), np.array([[1.0, 2.0]]))
    assert found.full_JNO == pytest.approx(np.array([[[-1 / 4, (1 / 3) / 4]]]))
    assert found.fold_NMO(0) == pytest.approx(np.array([[[-1 / 2, 1 / 2], [0, 0]]]))
    # without the failure all three are right; without a success two of three
    assert found.less_JNQO == pytest.approx(np.array([[[[0, 0], [-1 / 3, 1 / 2 / 3]]]]))
    paper = coefficients([plug_in(3)], np.array([[2.0, 2.0]]), np.array([[1.0, 1.0]]))
    assert paper.full_JNO == pytest.approx(np.array([[[0, 3 * 0.5**2 / 4]]]))


def test_objectives_are_listed_one_after_the_other():
    rollout = random_rollout(np.random.default_rng(0), [[3, 3], [4, 2]])
    n, c, sums = grouped(rollout)
    joined = coefficients([unbiased(1)], n, c) + coefficients([unbiased(2), plug_in(2)], n, c)
    together = coefficients([unbiased(1), unbiased(2), plug_in(2)], n, c)
    for of in ("full_JNO", "less_JNQO", "share_JN"):
        assert np.array_equal(getattr(joined, of), getattr(together, of)), of
    assert_same(Products(sums, joined).product(2, 1), Products(sums, together).product(2, 1))


@few
@given(rollouts(), st.floats(-2, 2), st.floats(-2, 2))
def test_products_of_mixtures_of_pass_at_k_are_mixtures_of_products(rollout, a, b):
    n, c, sums = grouped(rollout)
    products = Products(sums, coefficients([unbiased(1), unbiased(2)], n, c))
    mixed = products.combined(np.array([[1.0, 0.0], [a, b]]))
    for of in OF:
        parts = [getattr(products.product(i, 0), of) for i in (0, 1)]
        assert_close(getattr(mixed.product(1, 0), of), a * parts[0] + b * parts[1], slack=1e-8, message=of)
    one, both, two = (products.product(*pair).finite for pair in ((0, 0), (0, 1), (1, 1)))
    assert_close(mixed.product(1, 1).finite, a**2 * one + 2 * a * b * both + b**2 * two, slack=1e-8)
    again = mixed.combined(np.array([[0.0, 1.0], [1.0, 0.0]]))  # mixtures of mixtures
    assert_close(again.product(0, 0).finite, mixed.product(1, 1).finite, slack=1e-8)


@few
@given(rollouts())
def test_mixtures_with_another_objective_pair_folds(rollout):
    n, c, sums = grouped(rollout)
    plain = [lambda n, c, k=k: pass_at_k_advantages(n, c, k) for k in (1, 2)]
    products = Products(sums, coefficients([plain[0], plain[1], unbiased(2)], n, c))
    mix = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    assert_close(products.combined(mix).own(1, 0), products.own(1, 0))


def test_an_objective_that_takes_no_part_leaves_no_nan():
    n, c, sums = grouped(random_rollout(np.random.default_rng(0), [[2, 2], [2, 2]]))
    products = Products(sums, coefficients([unbiased(1), unbiased(9)], n, c))
    mixed = products.combined(np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert mixed.product(0, 0).finite == pytest.approx(4 * products.product(0, 0).finite)
    assert np.isnan(mixed.product(1, 0).finite)


def test_one_objective_of_several_is_itself():
    n, c, sums = grouped(random_rollout(np.random.default_rng(0), [[3, 3], [4, 2]]))
    both = coefficients([unbiased(1), unbiased(2)], n, c)
    assert_same(Products(sums, both.only(1)).product(0, 0), Products(sums, both).product(1, 1))


def test_restricted_objectives_add_up():
    w = world()
    n_NM, c_NM, sums = w.roll(32, 4, np.random.default_rng(0))
    first = coefficients([unbiased(1)], n_NM, c_NM)
    each = coefficients([unbiased(4)], n_NM, c_NM).restricted(np.eye(len(w.p_N)))
    products = Products(sums, first + coefficients([unbiased(4)], n_NM, c_NM) + each)
    parts = [products.product(2 + i, 0) for i in range(len(w.p_N))]
    whole = products.product(1, 0)
    for of in OF:
        assert_close(sum(getattr(p, of) for p in parts), getattr(whole, of), message=of)


@few
@given(rollouts(), st.integers(0, 2**32 - 1))
def test_a_restricted_objective_has_the_gradients_of_its_prompts_alone(rollout, seed):
    """Shares of prompts multiply their gradients; a share of 0 leaves a prompt out of that factor."""
    share = np.random.default_rng(seed).choice([0.0, 0.5, 1.0], size=(2, len(rollout)))
    n, c, sums = grouped(rollout)
    base = coefficients([unbiased(2)], n, c)
    found = Products(sums, base.restricted(share)).product(0, 1)
    full = np.array([unbiased_slowly(2)(merged(prompt)) for prompt in rollout])
    assert_close(found.naive, (share[0] @ full) @ (share[1] @ full) / len(rollout) ** 2)


def test_too_few_responses_give_nan():
    """⟨∇J_j, ∇J_k⟩ of these prompts needs n ≥ j + k, its error a response more than j and than k."""
    w = world()
    n_NM, c_NM, sums = w.roll(8, 2, np.random.default_rng(0))
    ks = [1, 4, 7, 8, 9]
    products = Products(sums, coefficients([unbiased(k) for k in ks], n_NM, c_NM))
    finite = [np.isfinite(products.product(i, 0).finite) for i in range(5)]
    assert finite == [True, True, True, False, False]
    assert [np.isfinite(products.product(i, i).finite) for i in range(5)] == [True, True, False, False, False]
    assert [np.isfinite(products.product(i, 0).population) for i in range(5)] == [True] * 4 + [False]
    assert np.isfinite(products.product(2, 0).deviation_NM).all()
    assert np.isnan(products.product(3, 0).deviation_NM).all()


def test_too_few_responses_in_a_fold_give_nan_to_other_objectives():
    n_NM, c_NM, sums = world().roll(8, 2, np.random.default_rng(0))
    plain = [lambda n, c, k=k: pass_at_k_advantages(n, c, k) for k in (1, 5)]
    product = Products(sums, coefficients(plain, n_NM, c_NM)).product(1, 0)
    assert np.isnan(product.finite) and np.isfinite(product.population)


def test_one_prompt_alone_says_nothing_of_a_population():
    rollout = random_rollout(np.random.default_rng(0), [[3, 4]])
    found = products_of(rollout, unbiased(1)).product(0, 0)
    assert np.isnan(found.population) and np.isnan(found.psi_N).all()
    assert found.finite == pytest.approx(own_product_slowly(rollout[0], 1, 1))


def test_single_precision_sums_are_enough():
    n, c, sums = grouped(random_rollout(np.random.default_rng(3), [[4, 4]] * 5, d=64))
    coefs = coefficients([unbiased(1), unbiased(2)], n, c)
    one, other = (Products(x, coefs).product(0, 1) for x in (sums, sums.astype(np.float32)))
    assert_same(one, other, slack=1e-5)


def test_first_negative():
    assert first_negative([1, 2, 3], [1.0, -0.1, 0.2]) == 2
    assert first_negative([1, 2, 3], [1.0, 0.0, np.nan]) is None
    assert first_negative([1, 4, 16], [np.nan, np.nan, -1e-300]) == 16
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        first_negative([1, 2], [1.0])


def test_one_fold_is_enough_for_products_of_different_prompts():
    w = world()
    n_NM, c_NM, sums = w.roll(16, 2, np.random.default_rng(0))
    two = Products(sums, coefficients([unbiased(1), unbiased(4)], n_NM, c_NM)).product(1, 0)
    joined = [x.sum(1, keepdims=True) for x in (n_NM, c_NM, sums)]
    one = Products(joined[2], coefficients([unbiased(1), unbiased(4)], *joined[:2])).product(1, 0)
    assert one.population == pytest.approx(two.population)
    np.testing.assert_allclose(one.psi_N, two.psi_N)
    assert np.isnan(one.finite)  # own-prompt products have no other fold to be paired with
