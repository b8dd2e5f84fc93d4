"""Teams of a project, and whose adapter answers the callers of /v1. Admins manage both."""

from collections.abc import Collection

from django.db import IntegrityError, transaction

from core.audit.entries import record
from core.errors import Conflict, Invalid, Refused
from core.models import ApiKey, Membership, Project, Role, User
from core.text import one_line
from core.wording import listed
from training.actions import TrainingAction
from training.models import ApiCaller, Team, TeamMember

LONGEST_NAME = 80
LONGEST_CALLER = 200


def _members(project: Project, people: Collection[int]) -> list[User]:
    """The people with these ids. Refused when one is no member of the project."""
    memberships = Membership.objects.filter(project=project, user__in=people).select_related("user")
    found = [one.user for one in memberships if one.roles != [Role.PARTNER]]
    if len(found) < len(set(people)):
        raise Refused("Only members of the project can be in a team.", "Reload the page.")
    return found


@transaction.atomic
def save_team(
    *, by: User, project: Project, name: str, people: Collection[int], team: Team | None = None
) -> Team:
    """Makes a team, or gives `team` this name and these members. Conflict when the name is taken."""
    name = one_line(name, most=LONGEST_NAME)
    if not name:
        raise Invalid("Give the team a name.", fields={"name": ["Give the team a name."]})
    members = _members(project, people)
    made = team is None
    try:
        with transaction.atomic():
            if team is None:
                team = Team.objects.create(project=project, name=name)
            else:
                team.name = name
                team.save(update_fields=["name"])
    except IntegrityError:
        raise Conflict(f"There is a team {name} already.", "Choose another name.") from None
    team.memberships.exclude(user__in=members).delete()
    TeamMember.objects.bulk_create(
        (TeamMember(team=team, user=user) for user in members), ignore_conflicts=True
    )
    record(
        by=by,
        project=project,
        action=TrainingAction.TEAM_MADE if made else TrainingAction.TEAM_CHANGED,
        obj=team,
        members=listed([user.name for user in members]) or "nobody",
    )
    return team


@transaction.atomic
def delete_team(*, by: User, team: Team) -> None:
    """Refused while the team has adapters: they are deleted first, with a receipt."""
    if team.adapters.exists():
        raise Refused(f"{team} has adapters.", "Delete these first.")
    record(by=by, project=team.project, action=TrainingAction.TEAM_DELETED, obj=team)
    team.delete()


@transaction.atomic
def use_team_adapter(*, by: User, team: Team, uses: bool) -> None:
    """A member's own switch. Conflict for somebody who is not in the team."""
    if not TeamMember.objects.filter(team=team, user=by).update(uses=uses):
        raise Conflict("You are not in this team.", "Reload the page.")


# --- callers of /v1 --------------------------------------------------------------------------------------------
@transaction.atomic
def name_caller(
    *, by: User, api_key: ApiKey, caller: str, person: User | None = None, team: Team | None = None
) -> ApiCaller:
    """From now on requests with this application key, and this `user` field unless it is empty, are answered with the adapter of the
    person or team, when it is on. Replaces an earlier choice."""
    project = api_key.project
    if project is None or api_key.revoked_at is not None:
        raise Refused("This is no application key of the project that is valid.")
    if (person is None) == (team is None):
        raise Invalid("Choose a person or a team.", fields={"whose": ["Choose a person or a team."]})
    if person is not None:
        _members(project, [person.pk])
    elif team is not None and team.project_id != project.pk:
        raise Refused("This team belongs to another project.")
    if len(caller) > LONGEST_CALLER:
        raise Invalid("This name is too long.", fields={"caller": [f"At most {LONGEST_CALLER} characters."]})
    made, _ = ApiCaller.objects.update_or_create(
        api_key=api_key, caller=caller, defaults={"project": project, "person": person, "team": team}
    )
    record(
        by=by,
        project=project,
        action=TrainingAction.CALLER_NAMED,
        obj=made,
        owner=str(person or team),
    )
    return made


@transaction.atomic
def remove_caller(*, by: User, caller: ApiCaller) -> None:
    record(by=by, project=caller.project, action=TrainingAction.CALLER_REMOVED, obj=caller)
    caller.delete()
