"""The effort of a planned campaign, and the differences it can detect."""

from dataclasses import dataclass

from evaluation.statistics import half_width, least_settled_rate, votes_to_settle

RATES = (0.60, 0.65, 0.70, 0.75)
MORE_RATERS = (2, 5, 10)


@dataclass(frozen=True)
class Panel:
    """The precision of `raters` people with `ratings` ratings in total.

    `half_width` is of the win rate's 95% interval around an even result (None with fewer than three raters); `finds`
    the smallest true win rate that is detected with 80% power (None when none is).
    """

    raters: int
    ratings: int
    half_width: float | None
    finds: float | None


@dataclass(frozen=True)
class RatingPlan:
    """`needs` lists (true win rate, ratings that detect it with these raters and 80% power, None when no number does);
    `larger` has the figures for more raters on the same prompts."""

    prompts: int
    per_prompt: int
    raters: int
    ratings: int
    each: int
    half_width: float | None
    finds: float | None
    needs: tuple[tuple[float, int | None], ...]
    larger: tuple[Panel, ...]

    @property
    def short_of_raters(self) -> bool:
        return self.raters < self.per_prompt

    @property
    def within_reach(self) -> tuple[tuple[float, int], ...]:
        """The part of `needs` that some number of ratings by these raters detects."""
        return tuple((rate, votes) for rate, votes in self.needs if votes is not None)

    @property
    def out_of_reach(self) -> float | None:
        """The largest win rate that needs more raters; all smaller ones need them too."""
        return max((rate for rate, votes in self.needs if votes is None), default=None)


def plan(*, prompts: int, per_prompt: int, raters: int) -> RatingPlan:
    """`raters` people share `prompts`, each prompt rated by `per_prompt` different ones (or by all, when they are fewer).

    The figures use the verdict's own rule (`evaluation.statistics.power`).
    """
    here = panel(prompts=prompts, per_prompt=per_prompt, raters=raters)
    return RatingPlan(
        prompts=prompts,
        per_prompt=per_prompt,
        raters=raters,
        ratings=here.ratings,
        each=-(-here.ratings // raters) if raters else 0,
        half_width=here.half_width,
        finds=here.finds,
        needs=tuple((rate, votes_to_settle(rate, raters)) for rate in RATES),
        larger=tuple(
            panel(prompts=prompts, per_prompt=per_prompt, raters=raters + more) for more in MORE_RATERS
        ),
    )


def panel(*, prompts: int, per_prompt: int, raters: int) -> Panel:
    ratings = prompts * min(per_prompt, raters)
    return Panel(raters, ratings, half_width(ratings, raters), least_settled_rate(ratings, raters))
