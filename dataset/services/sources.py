"""Creates and changes sources, lets partners see them, and sets a project's data rules."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import TypedDict, Unpack, cast

from django.db import IntegrityError, connection, transaction

from annotation.models import Example
from annotation.text.cleaning import clean_name, clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.json_types import JsonLike
from core.models import Membership, Project, Role, User
from core.runs.control import launch_run
from core.seen import must_be_as_seen, stamp
from core.text import one_line, trimmed
from dataset.actions import DatasetAction
from dataset.data_rules import CHOICES
from dataset.models import ProjectRules, Source, SourcePartner

LONGEST_NAME = 120
LONGEST_DESCRIPTION = 10_000
LONGEST_NOTE = 500
# A new name is written into every example of the source while the person waits: about a second for each 2,000.
MOST_RENAMED = 20_000
# With more examples than this a background job writes a new license into them.
AT_ONCE = 2_000


class SourceValues(TypedDict, total=False):
    """The fields of a source that people write."""

    name: str
    description: str
    license: str
    consent: str
    consent_note: str
    owner: str
    contact: str
    expires_on: date | None


FIELDS = tuple(SourceValues.__annotations__)


def source_stamp(source: Source) -> str:
    """The stamp that the form of a source sends."""
    return stamp(*_standing(source))


def _standing(source: Source) -> list[str]:
    return [str(getattr(source, name)) for name in (*FIELDS, "withdrawn_at")]


@transaction.atomic
def create_source(*, by: User, project: Project, **values: Unpack[SourceValues]) -> Source:
    """A new source. Raises Invalid for a wrong value, or a name that the project has."""
    clean = _clean(values)
    if not clean.get("name"):
        raise _wrong("name", "Give the source a name.")
    try:
        with transaction.atomic():
            source = Source.objects.create(project=project, **clean)
    except IntegrityError:
        raise _wrong("name", f"The project already has a source named “{clean['name']}”.") from None
    record(by=by, project=project, action=DatasetAction.SOURCE_CREATED, obj=source)
    return source


@transaction.atomic
def change_source(*, by: User, source: Source, seen: str = "", **values: Unpack[SourceValues]) -> Source:
    """Changes the given fields. Its examples follow a new name, in this transaction. Those that have the license of the source
    follow a new license: at once, or by a background job when there are more than AT_ONCE. Another license of their own stays.

    Raises Invalid for a wrong value, and Conflict when it changed since `seen`, or when it cannot get another name now: while an
    import or a freeze of the project is running, or with more than MOST_RENAMED examples.
    """
    clean = _clean(values)
    source = Source.objects.select_for_update().select_related("project").get(pk=source.pk)
    must_be_as_seen(seen, *_standing(source), label=f"{source.name}")
    changed: dict[str, JsonLike] = {
        name: [str(old), str(new)] for name, new in clean.items() if (old := getattr(source, name)) != new
    }
    if not changed:
        return source
    if "name" in changed:
        if not clean["name"]:
            raise _wrong("name", "Give the source a name.")
        _refuse_new_name(source, str(clean["name"]))
    old_license = source.license
    for name, new in clean.items():
        setattr(source, name, new)
    source.save(update_fields=[*changed, "changed_at"])
    record(by=by, project=source.project, action=DatasetAction.SOURCE_CHANGED, obj=source, changed=changed)
    if "license" in changed:
        _follow_license(by, source, old_license)
    return source


def _follow_license(by: User, source: Source, old: str) -> None:
    followers = Example.objects.filter(project=source.project_id, source=source.name, license=old)
    if followers.count() <= AT_ONCE:
        followers.update(license=source.license)
        return
    launch_run(
        by=by,
        project=source.project,
        kind="relicense_source",
        title=f"License of {source.name}"[:200],
        params={"source": source.pk, "old": old},
    )


def _refuse_new_name(source: Source, name: str) -> None:
    if Source.objects.filter(project=source.project_id, name=name).exists():
        raise _wrong("name", f"The project already has a source named “{name}”.")
    for lock, work in (("datasets.dataimport", "An import"), ("annotation.freeze", "A freeze")):
        # The lock that the run itself holds: none can start before the new name is committed.
        with connection.cursor() as cursor:
            key = f"{lock}.{source.project_id}"
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [key])
            if cursor.fetchone() != (True,):
                raise Conflict(
                    f"{work} of this project is running. It uses the names of sources.",
                    "Wait until it has ended, then give the source its new name.",
                )
    count = Example.objects.filter(project=source.project_id, source=source.name).count()
    if count > MOST_RENAMED:
        raise Conflict(
            f"{source.name} has {count:,} examples. A source with more than {MOST_RENAMED:,} examples keeps its name.",
            "Describe it in the description instead.",
        )


_CLEANERS: dict[str, Callable[[str], str]] = {
    "name": clean_name,
    "license": clean_name,
    "owner": clean_name,
    "contact": clean_name,
    "consent_note": lambda text: one_line(clean_text(text)),
    "description": lambda text: trimmed(clean_text(text)),
}
_LONGEST = {
    "name": LONGEST_NAME,
    "license": LONGEST_NAME,
    "owner": LONGEST_NAME,
    "contact": 200,
    "consent_note": LONGEST_NOTE,
    "description": LONGEST_DESCRIPTION,
}


def _clean(values: SourceValues) -> SourceValues:
    """The values as they are stored. Raises Invalid with every wrong field."""
    clean: dict[str, object] = {
        name: _CLEANERS[name](str(value)) if name in _CLEANERS else value for name, value in values.items()
    }
    wrong = {
        name: [f"Keep it under {limit:,} characters."]
        for name, limit in _LONGEST.items()
        if len(str(clean.get(name, ""))) > limit
    }
    if clean.get("consent", Source.Consent.UNKNOWN) not in Source.Consent.values:
        wrong["consent"] = [f"Choose one of: {', '.join(Source.Consent.values)}."]
    if wrong:
        raise Invalid("The source was not saved.", "See the messages below the fields.", fields=wrong)
    return cast(SourceValues, clean)


def _wrong(name: str, message: str) -> Invalid:
    return Invalid(
        "The source was not saved.", "See the messages below the fields.", fields={name: [message]}
    )


# --- partners ----------------------------------------------------------------------------------------------
@transaction.atomic
def let_partner_see(*, by: User, source: Source, membership: Membership) -> SourcePartner:
    """A partner sees this source and its examples from now on. Invalid for a member with another role."""
    membership = Membership.objects.select_for_update().select_related("user").get(pk=membership.pk)
    if membership.project_id != source.project_id or membership.roles != [Role.PARTNER]:
        raise Invalid(
            f"{membership.user.name} is not a partner of this project.",
            "Members of the organisation see every source already. Give the person the role partner first.",
            fields={"partner": ["Choose a partner."]},
        )
    partner, is_new = SourcePartner.objects.get_or_create(
        source=source, membership=membership, defaults={"added_by": by}
    )
    if not is_new:
        raise Conflict(f"{membership.user.name} sees this source already.", "Reload the page.")
    record(
        by=by,
        project=source.project,
        action=DatasetAction.SOURCE_SHOWN,
        obj=source,
        partner=membership.user.name,
    )
    return partner


@transaction.atomic
def hide_from_partner(*, by: User, partner: SourcePartner) -> None:
    """The partner does not see this source from now on."""
    source, name = partner.source, partner.membership.user.name
    deleted, _ = SourcePartner.objects.filter(pk=partner.pk).delete()
    if not deleted:
        raise Conflict(f"{name} does not see this source any more.", "Reload the page.")
    record(by=by, project=source.project, action=DatasetAction.SOURCE_HIDDEN, obj=source, partner=name)


# --- data rules --------------------------------------------------------------------------------------------
def rules_stamp(rules: Iterable[str]) -> str:
    """The stamp that the form of the data rules sends."""
    return stamp(sorted(rules))


@transaction.atomic
def set_rules(*, by: User, project: Project, rules: Iterable[str], seen: str = "") -> list[str]:
    """The data rules of the project's next dataset versions. Existing versions do not change.

    Raises Invalid for an unknown rule, and Conflict when the rules changed since `seen`.
    """
    wanted = sorted(set(rules))
    if unknown := set(wanted) - set(CHOICES):
        raise Invalid(
            "The rules were not saved.",
            fields={"rules": [f"There is no rule “{min(unknown)}”. Possible: {', '.join(CHOICES)}."]},
        )
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    kept, _ = ProjectRules.objects.get_or_create(project=project)
    old = sorted(kept.rules)
    must_be_as_seen(seen, old, label="The data rules")
    if wanted != old:
        kept.rules, kept.changed_by = wanted, by
        kept.save()
        record(
            by=by,
            project=project,
            action=DatasetAction.RULES_CHANGED,
            obj=project,
            rules=[*wanted] or ["none"],
            were=[*old],
        )
    return wanted
