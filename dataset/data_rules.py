"""Which data rule an example breaks. A freeze and its preview both ask this. No database.

An example's own license counts before its source's. An example that members wrote here, or that came back from a rating or a chat,
and that names no source is the organisation's own: it needs no license and no consent basis.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date

from annotation.models import Example
from dataset.licenses import License, license_of
from dataset.models import DataRule, Source

# The order in which rules are looked at: an example is counted under the first that it breaks.
ORDER = (
    DataRule.WITHDRAWN,
    DataRule.EXPIRED,
    DataRule.CONSENT,
    DataRule.KNOWN_LICENSE,
    DataRule.COMMERCIAL,
    DataRule.DERIVATIVES,
    DataRule.SHARE_ALIKE,
)
# What a project can choose; a withdrawn source is left out always.
CHOICES = tuple(rule for rule in DataRule if rule != DataRule.WITHDRAWN)

_OF_LICENSE: dict[DataRule, Callable[[License], bool]] = {
    DataRule.COMMERCIAL: lambda license_: not license_.commercial,
    DataRule.DERIVATIVES: lambda license_: not license_.derivatives,
    DataRule.SHARE_ALIKE: lambda license_: license_.share_alike,
}


@dataclass(frozen=True)
class SourceFacts:
    """What the rules need of a source."""

    license: str = ""
    consent: str = Source.Consent.UNKNOWN
    expires_on: date | None = None
    withdrawn: bool = False


class Rules:
    """The rules of one freeze, with the facts of the project's sources on one day."""

    def __init__(self, chosen: Collection[str], sources: Mapping[str, SourceFacts], today: date) -> None:
        self._rules = [rule for rule in ORDER if rule in chosen or rule == DataRule.WITHDRAWN]
        self._sources = sources
        self._today = today
        # Few combinations occur in many rows.
        self._known: dict[tuple[str | None, str, str], str] = {}

    def broken(self, *, source: str | None, license: str, origin: str) -> str:  # noqa: A002
        """The value of the first DataRule that such an example breaks; empty when it breaks none."""
        key = (source, license, origin)
        if key not in self._known:
            self._known[key] = next(
                (rule.value for rule in self._rules if self._breaks(rule, source, license, origin)), ""
            )
        return self._known[key]

    def _breaks(self, rule: DataRule, source: str | None, own_license: str, origin: str) -> bool:
        facts = self._sources.get(source or "", SourceFacts())
        text = own_license or facts.license
        ours = not source and origin != Example.Origin.IMPORT
        if rule in _OF_LICENSE:
            # What is not known forbids nothing: the rule for known licenses is the one that keeps it out.
            found = license_of(text)
            return found is not None and _OF_LICENSE[rule](found)
        broken = {
            DataRule.WITHDRAWN: facts.withdrawn,
            DataRule.EXPIRED: facts.expires_on is not None and facts.expires_on < self._today,
            DataRule.CONSENT: facts.consent == Source.Consent.UNKNOWN and not ours,
            DataRule.KNOWN_LICENSE: license_of(text) is None and not (ours and not text),
        }
        return broken[rule]
