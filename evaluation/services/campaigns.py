"""A campaign's life: planned, its answers made, open, closed."""

import secrets

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict, Invalid, Refused
from core.models import Project, Run, User
from core.runs.control import launch_run, start_again
from dataset.models import DatasetRow, DatasetVersion
from evaluation.actions import EvaluationAction
from evaluation.models import Campaign, CampaignAnswer, Comparison, Entry, Prompt, Rating
from evaluation.queries.campaigns import rows_of_split
from evaluation.sampling import choose
from evaluation.services.plan import begin_stage, lock, must_be_as_shown, must_be_idle, settle_stage
from inference.queries import is_served
from training.models import ModelVersion

KIND = "campaign"
MOST_PROMPTS = 1000
MOST_PER_PROMPT = 20
MOST_TOKENS = 2048


@transaction.atomic
def create_campaign(
    *,
    by: User,
    project: Project,
    name: str,
    baseline: ModelVersion,
    candidate: ModelVersion,
    dataset: DatasetVersion,
    prompts: int,
    ratings_per_prompt: int = 3,
    temperature: float | None = None,
    max_tokens: int | None = None,
    split: str = Campaign.Split.TEST.value,
) -> Campaign:
    """Draws the prompts from the rows of `split` (Campaign.Split) and starts the background job that makes the answers. The campaign opens automatically
    with the first comparison.

    `temperature` is 0..2, `max_tokens` counts tokens of one answer; None takes the project's. Raises Invalid with the
    wrong fields.
    """
    name = name.strip()
    temperature = project.temperature if temperature is None else temperature
    max_tokens = min(project.max_tokens, MOST_TOKENS) if max_tokens is None else max_tokens
    rows = list(rows_of_split(dataset, split).select_related("revision"))
    _check(project, name, baseline, candidate, dataset, ratings_per_prompt, temperature, max_tokens)
    _must_have_prompts(dataset, split, len(rows), prompts)
    seed = secrets.randbelow(2**31)
    try:
        with transaction.atomic():
            campaign = Campaign.objects.create(
                project=project,
                name=name,
                dataset=dataset,
                split=split,
                ratings_per_prompt=ratings_per_prompt,
                seed=seed,
                params={"temperature": temperature, "max_tokens": max_tokens},
                created_by=by,
            )
    except IntegrityError:
        raise _invalid("name", "Another campaign has this name.") from None
    for position, version in ((Entry.BASELINE, baseline), (Entry.CANDIDATE, candidate)):
        Entry.objects.create(campaign=campaign, version=version, position=position)
    create_prompts(campaign, rows, prompts, seed=seed)
    begin_stage(by=by, campaign=campaign)
    record(
        by=by,
        project=project,
        action=EvaluationAction.CAMPAIGN_CREATED,
        obj=campaign,
        baseline=str(baseline),
        candidate=str(candidate),
        dataset=str(dataset),
        prompts=prompts,
    )
    launch_answers(by, campaign, f"Answers for {campaign.name}")
    return campaign


def _must_have_prompts(dataset: DatasetVersion, split: str, rows: int, prompts: int) -> None:
    if split not in Campaign.Split.values:
        raise _invalid("split", "Choose test or train.")
    most = min(rows, MOST_PROMPTS)
    if not 1 <= prompts <= most:
        raise _invalid(
            "prompts", f"Choose 1 to {most}: {dataset} has {rows:,} {Campaign.Split(split).label.lower()}."
        )


def create_prompts(campaign: Campaign, rows: list[DatasetRow], count: int, *, seed: int) -> None:
    """Draws `count` of the rows, each slice in proportion, and adds them after the campaign's present prompts."""
    last = Prompt.objects.filter(campaign=campaign).aggregate(last=Max("position"))["last"]
    by_pk = {row.pk: row for row in rows}
    chosen = choose([(row.pk, row.revision.content.get("slice", "")) for row in rows], count, seed=seed)
    Prompt.objects.bulk_create(
        Prompt(
            campaign=campaign,
            row=by_pk[pk],
            position=position,
            messages=by_pk[pk].revision.content["messages"],
            context=by_pk[pk].revision.content.get("context", []),
            slice=by_pk[pk].revision.content.get("slice", ""),
        )
        for position, pk in enumerate(chosen, start=0 if last is None else last + 1)
    )


def _invalid(field: str, message: str) -> Invalid:
    return Invalid("The campaign cannot be created with these values.", fields={field: [message]})


def _check(
    project: Project,
    name: str,
    baseline: ModelVersion,
    candidate: ModelVersion,
    dataset: DatasetVersion,
    per_prompt: int,
    temperature: float,
    max_tokens: int,
) -> None:
    if not name or len(name) > 120:
        raise _invalid("name", "Give it a name of up to 120 characters.")
    if baseline.pk == candidate.pk:
        raise _invalid("candidate", "Choose two different versions.")
    for field, version in (("baseline", baseline), ("candidate", candidate)):
        if version.project_id != project.pk:
            raise _invalid(field, "This version belongs to another project.")
        if version.status != ModelVersion.Status.READY:
            raise _invalid(field, f"{version} is not ready: its token check has not passed.")
        if not is_served(version):
            raise _invalid(field, f"No engine serves {version}. Load it on the Serve page first.")
    if dataset.project_id != project.pk or dataset.status != DatasetVersion.Status.READY:
        raise _invalid("dataset", "Choose a dataset version of this project that is ready.")
    if dataset.kind != DatasetVersion.Kind.SUPERVISED:
        raise _invalid("dataset", f"{dataset} has preferences. Choose a version with examples.")
    if not 1 <= per_prompt <= MOST_PER_PROMPT:
        raise _invalid("ratings_per_prompt", f"Choose 1 to {MOST_PER_PROMPT}.")
    if not 0 <= temperature <= 2:
        raise _invalid("temperature", "Choose a value from 0 to 2.")
    if not 1 <= max_tokens <= MOST_TOKENS:
        raise _invalid("max_tokens", f"Choose 1 to {MOST_TOKENS} tokens.")


def must_be_served(campaign: Campaign) -> None:
    for entry in campaign.entries.select_related("version__base_model", "version__project"):
        if not is_served(entry.version):
            raise Refused(f"No engine serves {entry.version}.", "Load it on the Serve page first.")


def launch_answers(by: User, campaign: Campaign, title: str) -> None:
    """Starts the background job that makes every missing answer."""
    campaign.run = launch_run(
        by=by, project=campaign.project, kind=KIND, title=title[:200], params={"campaign": campaign.pk}
    )
    campaign.save(update_fields=["run"])


def answers_ended(run: Run) -> None:
    """A campaign that is open already stays open, with the prompts that have answers. One without any rateable prompt is
    marked failed, so that it can be tried again (core.runs.kinds.RunKind.on_end)."""
    campaign = Campaign.objects.select_related("project").filter(run=run).first()
    if campaign is None:
        return
    campaign = lock(campaign)
    settle_stage(campaign)
    made = run.status == Run.Status.SUCCEEDED
    if campaign.status != Campaign.Status.PREPARING:
        first = campaign.plan_stages.count() == 1
        joined = EvaluationAction.CAMPAIGN_ANSWERED if first else EvaluationAction.CAMPAIGN_PROMPTS_JOINED
        action = joined if made else EvaluationAction.CAMPAIGN_GROWTH_FAILED
        record(by=None, project=campaign.project, action=action, obj=campaign, run=run.pk)
    elif made:
        transition(campaign, Campaign.Status.OPEN, opened_at=timezone.now())
        record(by=None, project=campaign.project, action=EvaluationAction.CAMPAIGN_OPENED, obj=campaign)
    else:
        transition(campaign, Campaign.Status.FAILED)
        record(
            by=None,
            project=campaign.project,
            action=EvaluationAction.CAMPAIGN_FAILED,
            obj=campaign,
            run=run.pk,
        )


@transaction.atomic
def retry_campaign(*, by: User, campaign: Campaign) -> Campaign:
    """Makes the missing answers of a failed campaign, or of prompts added to an open one.

    Its background job is started again and continues after the finished answers.
    """
    run = campaign.run
    if run is None or run.status == Run.Status.SUCCEEDED:
        raise Conflict("All prompts of this campaign have their answers.", "Reload the page.")
    if run.is_active:
        must_be_idle(campaign)
    campaign.run = start_again(by=by, run=run)
    campaign.refresh_from_db(fields=["status"])
    return campaign


def again(run: Run, by: User) -> None:
    """The campaign waits for its answers again (core.runs.kinds.RunKind.on_again)."""
    campaign = Campaign.objects.select_related("project").filter(pk=run.params.get("campaign")).first()
    if campaign is None:
        raise Conflict("The campaign of this background job was deleted.", "Create a new one.")
    # Under the lock: another background job for it may be starting at this moment.
    campaign = lock(campaign)
    if campaign.run_id != run.pk:
        raise Conflict(
            "A later background job makes the answers of this campaign.", "See the campaign's page."
        )
    if campaign.status == Campaign.Status.FAILED:
        transition(campaign, Campaign.Status.PREPARING)
    elif not Prompt.objects.unanswered().filter(campaign=campaign).exists():
        raise Conflict("All prompts of this campaign have their answers.", "Reload the page.")
    record(by=by, project=campaign.project, action=EvaluationAction.CAMPAIGN_RETRIED, obj=campaign)


@transaction.atomic
def close_campaign(*, by: User, campaign: Campaign, seen: str = "") -> Campaign:
    """The campaign takes no more ratings. Raters can then see the results and the names.

    Conflict when its status or plan is not what the person saw (`seen`, see `campaign_stamp`).
    """
    must_be_as_shown(lock(campaign), seen)
    transition(campaign, Campaign.Status.CLOSED, closed_at=timezone.now())
    campaign.comparisons.filter(status=Comparison.Status.OPEN).update(status=Comparison.Status.EXPIRED)
    record(by=by, project=campaign.project, action=EvaluationAction.CAMPAIGN_CLOSED, obj=campaign)
    return campaign


@transaction.atomic
def reopen_campaign(*, by: User, campaign: Campaign, seen: str = "") -> Campaign:
    """Opens the campaign again for ratings. Conflict as for `close_campaign`."""
    must_be_as_shown(lock(campaign), seen)
    transition(campaign, Campaign.Status.OPEN, closed_at=None)
    record(by=by, project=campaign.project, action=EvaluationAction.CAMPAIGN_REOPENED, obj=campaign)
    return campaign


@transaction.atomic
def delete_campaign(*, by: User, campaign: Campaign) -> None:
    """Only without ratings: ratings are not deleted. The answers stay are kept."""
    campaign = (
        Campaign.objects.select_for_update(of=("self",)).select_related("project", "run").get(pk=campaign.pk)
    )
    if Rating.objects.filter(comparison__campaign=campaign).exists():
        raise Conflict("This campaign has ratings, so it cannot be deleted.", "Close it instead.")
    if campaign.run is not None and campaign.run.is_active:
        raise Refused("Its answers are being made.", "Cancel the background job first.")
    project, label = campaign.project, str(campaign)
    Comparison.objects.filter(campaign=campaign).delete()
    CampaignAnswer.objects.filter(prompt__campaign=campaign).delete()
    record(by=by, project=project, action=EvaluationAction.CAMPAIGN_DELETED, obj=campaign, name=label)
    campaign.delete()
