"""Forms of evaluation. They validate formats; services decide."""

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from django import forms
from django.http import QueryDict

from core.forms import TypedText, choices_of, objects_of
from core.lists.filters import Filter, search_field
from core.lists.numbers import LARGEST_COUNT, whole_number
from core.models import Project, User
from evaluation.models import Campaign, Rating, Score
from evaluation.planning import RatingPlan, plan
from evaluation.queries.campaigns import held_out_datasets, rater_count
from evaluation.queries.comparisons import ONLY, OUTCOMES
from evaluation.queries.gaps import could_rate
from evaluation.services.campaigns import MOST_PER_PROMPT, MOST_PROMPTS, MOST_TOKENS
from evaluation.services.doubt import LONGEST_REASON
from evaluation.services.growth import most_more_prompts
from evaluation.sides import SIDES
from inference.queries import live_version
from training.models import ModelVersion
from training.queries import ready_versions

if TYPE_CHECKING:
    from evaluation.queries.campaigns import CountedCampaign, HeldOutDataset


class PlanPreview(TypedDict):
    """`plan`: the plan for the present values, None while they are not valid; `capped`: its number of prompts, when
    more were typed than exist."""

    plan: RatingPlan | None
    capped: NotRequired[int | None]


class HeldOutField(forms.ModelChoiceField):
    """A dataset version, with the numbers of its prompts."""

    def label_from_instance(self, obj: "HeldOutDataset") -> str:
        return f"{obj}: {obj.held_out:,} test prompts, {obj.trained:,} training prompts"


class CampaignForm(forms.Form):
    """A new campaign. Initial values compare `candidate` (the newest version) with the live version (else the one
    before)."""

    name = forms.CharField(max_length=120, help_text="Raters do not see it while the campaign is open.")
    baseline: "forms.ModelChoiceField[ModelVersion]" = forms.ModelChoiceField(
        queryset=None, help_text="Your present model: the live version, or the base model."
    )
    candidate: "forms.ModelChoiceField[ModelVersion]" = forms.ModelChoiceField(
        queryset=None, help_text="The model you want to test: its win rate over the baseline is the result."
    )
    dataset = HeldOutField(
        queryset=None,
        label="Dataset",
        help_text="It gives the prompts.",
    )
    split = forms.ChoiceField(
        label="Prompts from",
        choices=[
            (
                Campaign.Split.TEST,
                "Test prompts: measures which version is better, no version was trained on them",
            ),
            (Campaign.Split.TRAIN, "Training prompts: collects preferences to train on, measures nothing"),
        ],
        initial=Campaign.Split.TEST,
        widget=forms.RadioSelect,
        required=False,
    )
    prompts = forms.IntegerField(label="Number of prompts", min_value=1, max_value=MOST_PROMPTS)
    ratings_per_prompt = forms.IntegerField(
        label="Ratings per prompt", min_value=1, max_value=MOST_PER_PROMPT, help_text="By different people."
    )
    temperature = forms.FloatField(
        min_value=0,
        max_value=2,
        help_text="The default is the project's value, which applications get too. 0 gives each version's most likely answer.",
    )
    max_tokens = forms.IntegerField(label="Longest answer, in tokens", min_value=1, max_value=MOST_TOKENS)

    def __init__(self, project: Project, data: QueryDict | None = None, *, candidate: str = "") -> None:
        super().__init__(data)
        self.project = project
        versions = ready_versions(project)
        datasets = held_out_datasets(project)
        for field in ("baseline", "candidate"):
            objects_of(self, field).queryset = versions
            objects_of(self, field).empty_label = "Choose a version"
        objects_of(self, "dataset").queryset = datasets
        objects_of(self, "dataset").empty_label = None
        for name in ("temperature",):
            self.fields[name].widget.attrs["step"] = "0.1"
        most = max((max(dataset.held_out, dataset.trained) for dataset in datasets), default=0)
        self.fields["prompts"].widget.attrs["max"] = min(most, MOST_PROMPTS) or MOST_PROMPTS
        if data is None:
            self._suggest(list(versions), candidate, datasets.first())

    def _suggest(
        self, versions: list[ModelVersion], candidate_id: str, dataset: "HeldOutDataset | None"
    ) -> None:
        candidate = next(
            (version for version in versions if str(version.pk) == candidate_id), next(iter(versions), None)
        )
        others = [version for version in versions if version != candidate]
        self.initial["temperature"] = self.project.temperature
        self.initial["max_tokens"] = min(self.project.max_tokens, MOST_TOKENS)
        live = live_version(self.project)
        baseline = live if live in others else next(iter(others), None)
        self.initial["candidate"], self.initial["baseline"] = candidate, baseline
        if candidate and baseline:
            self.initial["name"] = f"{candidate} against {baseline}"
        self.initial["prompts"] = min(30, dataset.held_out) if dataset else 30
        self.initial["ratings_per_prompt"] = max(1, min(3, rater_count(self.project)))

    def most_prompts(self) -> int:
        """The number of prompts of the chosen dataset and split; MOST_PROMPTS while none is chosen."""
        chosen = str(self["dataset"].value() or "")
        trained = self["split"].value() == Campaign.Split.TRAIN
        held = {
            str(dataset.pk): dataset.trained if trained else dataset.held_out
            for dataset in objects_of(self, "dataset").queryset or ()
        }
        return min(held.get(chosen, MOST_PROMPTS), MOST_PROMPTS)

    def _prompts_from(self) -> str:
        split = self["split"].value() or Campaign.Split.TEST
        return Campaign.Split(split).label.lower()

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        dataset, prompts = values.get("dataset"), values.get("prompts")
        if dataset and prompts and prompts > self.most_prompts():
            self.add_error(
                "prompts", f"Choose 1 to {self.most_prompts()}: {dataset} has no more {self._prompts_from()}."
            )
        values["split"] = values.get("split") or Campaign.Split.TEST.value
        return values

    def preview(self) -> PlanPreview:
        """The plan for the present values."""
        prompts, per_prompt = _number(self["prompts"].value()), _number(self["ratings_per_prompt"].value())
        if not prompts or not per_prompt or per_prompt > MOST_PER_PROMPT:
            return {"plan": None}
        most = self.most_prompts()
        made = plan(prompts=min(prompts, most), per_prompt=per_prompt, raters=rater_count(self.project))
        return {"plan": made, "capped": most if prompts > most else None}


def _number(value: object) -> int | None:
    """A whole number of 1 or more, else None."""
    return whole_number(value, most=LARGEST_COUNT) or None


class AddPromptsForm(forms.Form):
    """Adds prompts to an open campaign."""

    prompts = forms.IntegerField(label="Prompts to add", min_value=1, max_value=MOST_PROMPTS)

    def __init__(self, campaign: "CountedCampaign", data: QueryDict | None = None) -> None:
        """`campaign` comes from queries.campaigns_of."""
        self.campaign, self.left = campaign, most_more_prompts(campaign)
        super().__init__(data, initial={"prompts": min(campaign.prompt_count, self.left) or None})
        field = self.fields["prompts"]
        field.widget.attrs["max"] = self.left
        field.help_text = f"{self.left:,} {campaign.get_split_display().lower()} of {campaign.dataset} are not in this campaign yet."

    def preview(self) -> PlanPreview:
        """Like CampaignForm.preview, for the campaign with the added prompts."""
        more = _number(self["prompts"].value())
        if not more:
            return {"plan": None}
        made = plan(
            prompts=self.campaign.asked_count + min(more, self.left),
            per_prompt=self.campaign.ratings_per_prompt,
            raters=rater_count(self.campaign.project),
        )
        return {"plan": made, "capped": made.prompts if more > self.left else None}


class AddRatersForm(forms.Form):
    """Adds ratings per prompt, and raters."""

    ratings_per_prompt = forms.IntegerField(
        label="Ratings per prompt", max_value=MOST_PER_PROMPT, help_text="By different people."
    )
    people = forms.TypedMultipleChoiceField(
        label="Give the role rater to",
        required=False,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        help_text="Members of the project without the role rater. Admins and viewers can open the results while the "
        "campaign runs, so their ratings are marked.",
    )

    def __init__(self, campaign: "CountedCampaign", data: QueryDict | None = None) -> None:
        """`campaign` comes from queries.campaigns_of."""
        self.campaign = campaign
        super().__init__(data, initial={"ratings_per_prompt": campaign.ratings_per_prompt})
        now = campaign.ratings_per_prompt
        self.fields["ratings_per_prompt"].widget.attrs["min"] = now
        self.fields["ratings_per_prompt"].help_text = f"By different people; {now} now, not fewer."
        choices = [(m.user_id, f"{m.user.name} ({', '.join(m.role_labels)})") for m in could_rate(campaign)]
        choices_of(self, "people").choices = choices
        if not choices:
            del self.fields["people"]

    def preview(self) -> PlanPreview:
        per_prompt = _number(self["ratings_per_prompt"].value())
        if not per_prompt or per_prompt > MOST_PER_PROMPT or not self.campaign.asked_count:
            return {"plan": None}
        joining = len(self["people"].value() or []) if "people" in self.fields else 0
        raters = rater_count(self.campaign.project) + joining
        return {"plan": plan(prompts=self.campaign.asked_count, per_prompt=per_prompt, raters=raters)}


class SetAsideForm(forms.Form):
    votes = forms.IntegerField(required=False, min_value=0, max_value=LARGEST_COUNT, widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Stored with each vote and shown with it.",
    )


class CampaignFilter(Filter):
    q = search_field("Search")
    status = forms.ChoiceField(required=False, choices=[("", "Any status"), *Campaign.Status.choices])


class ComparisonFilter(Filter):
    """Filters of the list of ratings of one campaign."""

    q = search_field("Search")
    outcome = forms.ChoiceField(label="Rating", required=False, choices=[("", "Any rating"), *OUTCOMES])
    slice = forms.ChoiceField(required=False)
    rater = forms.ChoiceField(required=False)
    only = forms.ChoiceField(
        label="With",
        required=False,
        choices=[("", "Any"), *ONLY],
    )

    def __init__(self, data: QueryDict, *, slices: list[str], raters: list[User]) -> None:
        super().__init__(data)
        any_slice = [("", "Any slice"), *((name, name) for name in slices if name)]
        any_rater = [("", "Any rater"), *((str(rater.pk), rater.name) for rater in raters)]
        choices_of(self, "slice").choices = any_slice
        choices_of(self, "rater").choices = any_rater


class RatingForm(forms.Form):
    """A rater's form. The service reports missing values."""

    choice = forms.CharField(required=False, max_length=8)
    skip_scores = forms.BooleanField(required=False)
    comment = TypedText(required=False, strip=False)

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data)
        for side in SIDES:
            self.fields[f"correction_{side}"] = TypedText(required=False, strip=False)
            for criterion in Score.Criterion.values:
                self.fields[f"{criterion}_{side}"] = forms.IntegerField(
                    required=False, min_value=0, max_value=LARGEST_COUNT
                )

    def values(self) -> dict[str, Any]:
        """Keyword arguments for services.rate. A score that is not a number counts as missing."""
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
        """The rater's earlier rating, as form values."""
        comparison = rating.comparison
        side_of = {comparison.a.entry_id: "a", comparison.b.entry_id: "b"}
        scores = {f"{s.criterion}_{side_of[s.entry_id]}": s.value for s in rating.scores.all()}
        return {
            "choice": rating.choice,
            "comment": rating.comment,
            "skip_scores": not scores,
            **scores,
        }
