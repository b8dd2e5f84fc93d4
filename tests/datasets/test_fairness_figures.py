"""The statistics of the bias audit against libraries and by simulation."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.bias_audit import WOMEN, MadeSets, made_table, named, share, simulated
from dataset.fairness.counting import AuditTally, comparisons_of, facts_of
from dataset.fairness.differences import (
    LEAST_CLUSTERS,
    LEAST_ROWS,
    benjamini_hochberg,
    compare,
    holm,
    share_of,
)
from dataset.fairness.sentences import says, too_few
from dataset.fairness.words import shipped

N = 400


def halves(n: int = N) -> tuple[np.ndarray, np.ndarray]:
    first = np.arange(n) < n // 2
    return first, ~first


def test_independent_rows_give_welchs_t_test():
    random = np.random.default_rng(1)
    values = random.normal(0, 1, N) + np.where(np.arange(N) < N // 2, 0.3, 0)
    ours, theirs = halves()
    found = compare(values, np.arange(N), ours, theirs, share=False)
    expected = stats.ttest_ind(values[ours], values[theirs], equal_var=False)
    assert found.difference == pytest.approx(values[ours].mean() - values[theirs].mean())
    assert found.p == pytest.approx(expected.pvalue, rel=0.2)  # the correction of the skew moves it a little
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.01)


def test_rows_of_one_conversation_count_together():
    random = np.random.default_rng(2)
    clusters = np.repeat(np.arange(N // 4), 4)
    values = random.normal(0, 1, N // 4)[clusters] + random.normal(0, 0.1, N)
    ours, theirs = halves()
    alone = compare(values, np.arange(N), ours, theirs, share=False)
    together = compare(values, clusters, ours, theirs, share=False)
    ratio = (together.high - together.low) / (alone.high - alone.low)  # type: ignore[operator]
    assert 1.8 < ratio < 2.3  # four equal rows are worth one: twice as wide


@pytest.mark.parametrize("ones", [0, N // 2])
def test_no_interval_has_a_width_of_zero(ones: int):
    values = np.zeros(N)
    values[:ones] = 1
    ours, theirs = halves()
    found = compare(values, np.arange(N) // 3, ours, theirs, share=True)
    assert found.low is not None and found.high is not None and found.high - found.low > 0.02
    assert found.low <= found.difference <= found.high  # type: ignore[operator]
    same = compare(np.ones(N), np.arange(N), ours, theirs, share=False)
    assert same.p is None and same.low is None


@pytest.mark.parametrize(
    ("rows", "clusters"), [(LEAST_ROWS - 1, N), (LEAST_ROWS + 20, LEAST_CLUSTERS - 1), (0, N)]
)
def test_with_too_few_rows_nothing_is_said(rows: int, clusters: int):
    ours = np.arange(N) < rows
    codes = np.where(ours, np.arange(N) % clusters, np.arange(N))
    found = compare(np.random.default_rng(0).normal(0, 1, N), codes, ours, ~ours, share=False)
    assert found.few and found.low is found.high is found.difference is None
    assert f"{LEAST_ROWS} in {LEAST_CLUSTERS}" in too_few(rows, clusters, N, N)


def test_rows_without_a_value_do_not_count():
    values = np.r_[np.full(N // 2, np.nan), np.ones(N // 2)]
    ours, theirs = halves()
    found = compare(values, np.arange(N), ours, theirs, share=True)
    assert (found.n, found.rest_n, found.mean) == (0, N // 2, None) and found.few


def test_a_share_is_tested_against_its_target():
    ours, _ = halves()
    everybody = np.ones(N, dtype=bool)
    near = share_of(ours, everybody, np.arange(N), target=0.52)
    far = share_of(ours, everybody, np.arange(N), target=0.3)
    assert near.p > 0.3 and far.p < 1e-6  # type: ignore[operator]
    assert far.difference == pytest.approx(0.2) and 0.4 < far.low < 0.5 < far.high < 0.6  # type: ignore[operator]
    assert share_of(ours, everybody, np.arange(N), target=None).p is None


def test_the_corrections_are_those_of_the_textbooks():
    values = [0.01, 0.04, 0.03, 0.005, 0.6]
    assert holm(values) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.6])
    assert benjamini_hochberg(values) == pytest.approx(list(stats.false_discovery_control(values)))
    assert holm([]) == benjamini_hochberg([]) == []


def test_fair_sets_are_rarely_accused_and_a_planted_bias_is_named():
    """The benchmark does it with every lexicon and more sets: 3 to 4% accused, 77% found. Here are fewer of both."""
    keys = ("gender", "age")
    fair = simulated(100, keys=keys)
    assert share(fair, lambda _: True) <= 0.11  # 5%, and three standard errors of 100 seeds
    planted = simulated(30, MadeSets(biased=WOMEN, part=0.1), keys=keys)
    assert share(planted, named) >= 0.6
    assert share(planted, lambda one: one.characteristic != "gender") <= 0.15


@pytest.mark.slow
def test_fair_sets_are_rarely_accused_with_every_lexicon():
    assert share(simulated(400), lambda _: True) <= 0.05 + 2 * 0.011


def test_of_two_groups_that_are_each_others_rest_one_comparison_counts():
    lexicon = [shipped("age")]
    _, counted = comparisons_of(made_table(3, lexicon), "holm")
    assert counted == 5
    women_men_and_others, more = comparisons_of(made_table(3, [shipped("gender")]), "holm")
    assert more == sum(one.figures.p is not None for one in women_men_and_others) > 5


def test_the_figures_of_made_rows():
    tally = AuditTally([shipped("gender"), shipped("religion")])
    for n in range(200):
        name = "Emily" if n % 2 else "James"
        tally.add(
            {
                "messages": [{"role": "system", "content": "A mosque."}, {"role": "user", "content": f"I am {name}."}],
                "context": ["Maria | x"] if n == 0 else [],
                "completion": "We cannot refund it." if n % 2 else "It has been refunded.",
                "group": f"g{n}",
                "example": n + 1,
            }
        )  # fmt: skip
    facts, comparisons = facts_of(tally, "holm")
    gender, religion = facts["characteristics"]
    assert (facts["rows"], facts["clusters"], gender["named"], gender["several"]) == (200, 200, 200, 1)
    assert religion["unknown"] == 200 and all(group["rows"] == 0 for group in religion["groups"])
    women = gender["groups"][0]
    assert (women["rows"], women["words"]) == (101, {"Emily": 100, "Maria": 1})
    found = {(one.group, one.outcome) for one in comparisons if one.found}
    assert ("women", "refusal") in found and ("men", "granted") in found
    one = next(one for one in comparisons if (one.group, one.outcome) == ("women", "refusal"))
    text = says(one, group="Women", characteristic="Gender")
    assert text.startswith(
        "Completions to rows that name “Women” refuse 99%, against 0% of the rows that name another group"
    )
    assert "101 and 99 rows" in text


def test_other_languages_and_structured_calls_are_counted_and_not_judged():
    tally = AuditTally([shipped("gender")])
    for n, (asked, said) in enumerate(
        (
            ("I am Emily. A refund, please.", "We cannot refund it."),
            (
                "Ich heiße Emily und möchte bitte mein Geld zurück.",
                "Leider können wir Ihnen das Geld nicht erstatten.",
            ),
            ("Können Sie mir bitte sagen, wann die Ware kommt?", "Ja."),  # too short: as its prompt
            ("ok", "Yes."),  # both too short: judged
            ("I am Emily. Add a latte.", '{"add_order_item": {"query": "latte"}}'),
        )
    ):
        row = {"messages": [{"role": "user", "content": asked}], "context": [], "completion": said}
        tally.add(row | {"group": f"g{n}", "example": n + 1})
    facts, _ = facts_of(tally, "holm")
    assert (facts["rows"], facts["not_judged"]) == (5, {"language": 2, "call": 1})
    assert facts["characteristics"][0]["groups"][0]["rows"] == 1
    assert facts["outcomes"]["refusal"] == {"n": 2, "mean": 0.5}


def test_an_audit_of_other_languages_only_has_no_comparison():
    tally = AuditTally([shipped("gender")])
    said = "Leider können wir Ihnen das Geld nicht erstatten."
    tally.add({"messages": [], "context": [], "completion": said, "group": "g", "example": 1})
    facts, comparisons = facts_of(tally, "holm")
    assert (facts["rows"], facts["comparisons"], facts["not_judged"]["language"]) == (1, 0, 1)
    assert not any(one.found for one in comparisons)
