"""Forms of evaluation. They check shapes; services decide."""

from typing import Any

from django import forms
from django.http import QueryDict

from annotation.models import DatasetVersion
from core.models import Project, User
from evaluation.models import Campaign, Rating, Score
from evaluation.planning import Plan, plan
from evaluation.queries.campaigns import held_out_datasets, rater_count
from evaluation.queries.comparisons import OUTCOMES
from evaluation.services.campaigns import MOST_PER_PROMPT, MOST_PROMPTS, MOST_TOKENS
from evaluation.services.rating import SIDES
from inference.queries import live_version
from training.models import ModelVersion
from training.queries import ready_versions


class CampaignForm(forms.Form):
    """A new campaign. Initial values compare `candidate` (the newest version) with what is live (else the one before)."""

    name = forms.CharField(max_length=120, help_text="Raters never see it while the campaign is open.")
    baseline: "forms.ModelChoiceField[ModelVersion]" = forms.ModelChoiceField(
        queryset=None, help_text="What you have: the version that is live, or the base model."
    )
    candidate: "forms.ModelChoiceField[ModelVersion]" = forms.ModelChoiceField(
        queryset=None, help_text="What you want to know about: its win rate over the baseline is the result."
    )
    dataset: "forms.ModelChoiceField[DatasetVersion]" = forms.ModelChoiceField(
        queryset=None,
        label="Dataset",
        help_text="Its test split gives the prompts. No version was ever trained on them.",
    )
    prompts = forms.IntegerField(label="Held-out prompts", min_value=1, max_value=MOST_PROMPTS)
    ratings_per_prompt = forms.IntegerField(
        label="Ratings per prompt", min_value=1, max_value=MOST_PER_PROMPT, help_text="By different people."
    )
    temperature = forms.FloatField(
        min_value=0,
        max_value=2,
        help_text="The project's own, as applications are answered. 0 gives each version's most likely answer.",
    )
    max_tokens = forms.IntegerField(label="Longest answer, in tokens", min_value=1, max_value=MOST_TOKENS)

    def __init__(self, project: Project, data: QueryDict | None = None, *, candidate: str = "") -> None:
        super().__init__(data)
        self.project = project
        versions = ready_versions(project)
        datasets = held_out_datasets(project)
        for field in ("baseline", "candidate"):
            self._choices(field).queryset = versions
            self._choices(field).empty_label = "Choose a version"
        self._choices("dataset").queryset = datasets
        self._choices("dataset").label_from_instance = lambda found: f"{found}: {found.held_out:,} held out"
        self._choices("dataset").empty_label = None
        for name in ("temperature",):
            self.fields[name].widget.attrs["step"] = "0.1"
        if data is None:
            self._suggest(list(versions), candidate, datasets.first())

    def _choices(self, name: str) -> Any:
        return self.fields[name]

    def _suggest(self, versions: list[ModelVersion], wanted: str, dataset: Any) -> None:
        candidate = next((one for one in versions if str(one.pk) == wanted), next(iter(versions), None))
        others = [one for one in versions if one != candidate]
        self.initial["temperature"] = self.project.temperature
        self.initial["max_tokens"] = min(self.project.max_tokens, MOST_TOKENS)
        live = live_version(self.project)
        baseline = live if live in others else next(iter(others), None)
        self.initial["candidate"], self.initial["baseline"] = candidate, baseline
        if candidate and baseline:
            self.initial["name"] = f"{candidate} against {baseline}"
        self.initial["prompts"] = min(30, dataset.held_out) if dataset else 30
        self.initial["ratings_per_prompt"] = max(1, min(3, rater_count(self.project)))

    def plan(self) -> Plan | None:
        """What the values typed so far ask for; None while they make no sense."""
        values = {name: self[name].value() for name in ("prompts", "ratings_per_prompt")}
        try:
            prompts, per_prompt = int(values["prompts"]), int(values["ratings_per_prompt"])
        except (TypeError, ValueError):
            return None
        if not (1 <= prompts <= MOST_PROMPTS and 1 <= per_prompt <= MOST_PER_PROMPT):
            return None
        return plan(prompts=prompts, per_prompt=per_prompt, raters=rater_count(self.project))


class CampaignFilter(forms.Form):
    q = forms.CharField(label="Search", required=False, widget=forms.TextInput(attrs={"type": "search"}))
    status = forms.ChoiceField(required=False, choices=[("", "Any status"), *Campaign.Status.choices])

    def wanted(self) -> dict[str, str]:
        return dict(self.cleaned_data) if self.is_valid() else {}


class ComparisonFilter(forms.Form):
    """Filters of the list of ratings of one campaign."""

    q = forms.CharField(label="Search", required=False, widget=forms.TextInput(attrs={"type": "search"}))
    outcome = forms.ChoiceField(label="Said", required=False, choices=[("", "Anything"), *OUTCOMES])
    slice = forms.ChoiceField(required=False)
    rater = forms.ChoiceField(required=False)
    only = forms.ChoiceField(
        label="With",
        required=False,
        choices=[("", "Anything"), ("comment", "A note"), ("correction", "A correction")],
    )

    def __init__(self, data: QueryDict, *, slices: list[str], raters: list[User]) -> None:
        super().__init__(data)
        any_slice = [("", "Any slice"), *((name, name) for name in slices if name)]
        any_rater = [("", "Anybody"), *((str(one.pk), one.name) for one in raters)]
        self.fields["slice"].choices = any_slice  # type: ignore[attr-defined]
        self.fields["rater"].choices = any_rater  # type: ignore[attr-defined]

    def wanted(self) -> dict[str, str]:
        return dict(self.cleaned_data) if self.is_valid() else {}


class RatingForm(forms.Form):
    """What a rater sends. Missing values are the service's business, which names them."""

    choice = forms.CharField(required=False, max_length=8)
    skip_scores = forms.BooleanField(required=False)
    comment = forms.CharField(required=False, strip=True)

    def __init__(self, data: QueryDict | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        for side in SIDES:
            self.fields[f"correction_{side}"] = forms.CharField(required=False, strip=False)
            for criterion in Score.Criterion.values:
                self.fields[f"{criterion}_{side}"] = forms.IntegerField(required=False)

    def values(self) -> dict[str, Any]:
        """Keyword arguments for services.rate. A score that is no number counts as missing."""
        self.full_clean()
        data = self.cleaned_data
        scores = {
            side: {
                criterion: data[f"{criterion}_{side}"]
                for criterion in Score.Criterion.values
                if data.get(f"{criterion}_{side}") is not None
            }
            for side in SIDES
        }
        return {
            "choice": data.get("choice", ""),
            "scores": None if data.get("skip_scores") else scores,
            "comment": data.get("comment", ""),
            "corrections": {side: data.get(f"correction_{side}") or "" for side in SIDES},
        }

    @staticmethod
    def initial_of(rating: Rating) -> dict[str, Any]:
        """What the rater said before, as the form sends it."""
        comparison = rating.comparison
        side_of = {comparison.left.entry_id: "left", comparison.right.entry_id: "right"}
        scores = {f"{s.criterion}_{side_of[s.entry_id]}": s.value for s in rating.scores.all()}
        return {
            "choice": rating.choice,
            "comment": rating.comment,
            "skip_scores": not scores,
            **scores,
        }
