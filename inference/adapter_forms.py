"""Forms of personal adapters, teams and callers."""

from collections.abc import Sequence

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from core.models import ApiKey, Membership, Project, Role, User
from training.models import Team
from training.services.teams import LONGEST_CALLER, LONGEST_NAME


def _members(project: Project) -> QuerySet[User]:
    inside = Membership.objects.filter(project=project).exclude(roles=[Role.PARTNER])
    return User.objects.filter(pk__in=inside.values("user")).order_by("name")


class TrainForm(forms.Form):
    """`on` is a version's opaque token (inference.queries.model_code); empty for the live version."""

    on = forms.ChoiceField(label="On top of", required=False)

    def __init__(self, data: QueryDict | None = None, *, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(data)
        field = self.fields["on"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "The live version"), *choices]


class TeamForm(forms.Form):
    name = forms.CharField(
        label="Name", max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"dir": "auto"})
    )
    people = forms.ModelMultipleChoiceField(
        label="Members", queryset=User.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, project: Project, data: QueryDict | None = None, *, team: Team | None = None) -> None:
        initial = {"name": team.name, "people": list(team.members.all())} if team else None
        super().__init__(data, initial=initial)
        people = self.fields["people"]
        assert isinstance(people, forms.ModelMultipleChoiceField)
        people.queryset = _members(project)

    def people_ids(self) -> list[int]:
        return [person.pk for person in self.cleaned_data["people"]]


class CallerForm(forms.Form):
    """`whose` is "person-<id>" or "team-<id>"."""

    api_key = forms.ModelChoiceField(label="Application key", queryset=ApiKey.objects.none())
    caller = forms.CharField(
        label="User field",
        required=False,
        max_length=LONGEST_CALLER,
        strip=False,
        widget=forms.TextInput(attrs={"dir": "auto"}),
        help_text="The value of “user” in the request. Empty: every request of the key that names nobody else.",
    )
    whose = forms.ChoiceField(label="Answered by the adapter of")

    def __init__(self, project: Project, data: QueryDict | None = None) -> None:
        super().__init__(data)
        keys, whose = self.fields["api_key"], self.fields["whose"]
        assert isinstance(keys, forms.ModelChoiceField)
        assert isinstance(whose, forms.ChoiceField)
        keys.queryset = ApiKey.objects.filter(project=project, revoked_at=None)
        self.owners: dict[str, User | Team] = {f"team-{team.pk}": team for team in project.teams.all()}
        self.owners |= {f"person-{person.pk}": person for person in _members(project)}
        whose.choices = [
            ("", "Choose"),
            *(
                (key, f"Team {one}" if isinstance(one, Team) else str(one))
                for key, one in self.owners.items()
            ),
        ]

    def owner(self) -> User | Team:
        return self.owners[self.cleaned_data["whose"]]
