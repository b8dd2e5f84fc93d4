"""What a planned campaign asks of people, and what it buys."""

from dataclasses import dataclass

from evaluation.statistics import decisive_votes_needed, half_width, least_detectable_rate
from evaluation.statistics.power import effective_votes

RATES = (0.55, 0.60, 0.65, 0.70)


@dataclass(frozen=True)
class Plan:
    """`half_width` is of the win rate's 95% interval (None with one rater); `finds` the least true win rate found with
    80% power (None when nothing would be). `needs` lists (win rate, independent votes) for comparison."""

    prompts: int
    per_prompt: int
    raters: int
    ratings: int
    each: int
    half_width: float | None
    finds: float | None
    needs: tuple[tuple[float, int], ...]

    @property
    def short_of_raters(self) -> bool:
        return self.raters < self.per_prompt


def plan(*, prompts: int, per_prompt: int, raters: int) -> Plan:
    """`raters` people share `prompts`, each prompt rated by `per_prompt` different ones (or by all, when they are fewer)."""
    ratings = prompts * min(per_prompt, raters)
    return Plan(
        prompts=prompts,
        per_prompt=per_prompt,
        raters=raters,
        ratings=ratings,
        each=-(-ratings // raters) if raters else 0,
        half_width=half_width(ratings, raters),
        finds=least_detectable_rate(effective_votes(ratings, raters)),
        needs=tuple((rate, decisive_votes_needed(rate)) for rate in RATES),
    )
