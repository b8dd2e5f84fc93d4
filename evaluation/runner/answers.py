"""Makes the answers of a campaign. A prompt is shown to raters only when it has both answers, so that no side is
slower."""

import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from core.audit.entries import record
from core.errors import PartAway, Refused
from core.runs.context import RunContext, RunFailed
from evaluation.actions import EvaluationAction
from evaluation.models import Campaign, CampaignAnswer, Entry, Prompt
from inference.models import Answer
from inference.queries import is_served
from inference.services import generate

AT_ONCE = 4  # an engine batches simultaneous requests
TRIES = 4
WAIT_SECONDS = 5.0  # between tries: an engine restarts in less than a minute


def run(ctx: RunContext) -> None:
    """Answers of an earlier attempt are kept. A version that no engine serves fails the run with advice."""
    campaign = Campaign.objects.select_related("project", "created_by").get(run=ctx.run)
    entries = list(campaign.entries.select_related("version__base_model", "version__project"))
    for entry in entries:
        if not is_served(entry.version):
            raise _not_served(entry)
    prompts = list(Prompt.objects.current().filter(campaign=campaign))
    made = set(CampaignAnswer.objects.filter(prompt__campaign=campaign).values_list("prompt_id", "entry_id"))
    todo = [(p, e) for p in prompts for e in entries if (p.pk, e.pk) not in made]
    total = len(prompts) * len(entries)
    done = total - len(todo)
    ctx.report(done=done, total=total, message=_message(done, total), now=True)
    # Closed explicitly: an exception keeps this frame and its threads alive until it is handled.
    with closing(_all(campaign, todo)) as answers:
        for _ in answers:
            done += 1
            ctx.report(done=done, total=total, message=_message(done, total))
    ctx.report(done=done, total=total, message="Comparing the answers.", now=True)
    _settle_left_over(campaign)
    _must_differ(campaign)


def _message(done: int, total: int) -> str:
    return f"Making answers: {done:,} of {total:,}."


def _not_served(entry: Entry) -> RunFailed:
    return RunFailed(
        "not_served",
        f"No engine serves {entry.version} at the moment.",
        "Load it on the Serve page, then try again here; finished answers are kept.",
    )


def _all(campaign: Campaign, todo: list[tuple[Prompt, Entry]]) -> Generator[CampaignAnswer | None]:
    """Yields after each answer. Leaving early (a failure, a cancelled run) drops requests that have not started."""
    pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="answers")
    try:
        futures: list[Future[CampaignAnswer | None]] = [
            pool.submit(_in_thread, campaign, p, e) for p, e in todo
        ]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_thread(campaign: Campaign, prompt: Prompt, entry: Entry) -> CampaignAnswer | None:
    try:
        return make_answer(campaign, prompt, entry)
    finally:
        connection.close()  # each thread has its own connection


def make_answer(campaign: Campaign, prompt: Prompt, entry: Entry) -> CampaignAnswer | None:
    """Asks the entry's version once and stores the answer. None when another worker was first.

    The second answer of a prompt shows whether they differ. If so, the prompt is offered, and a new campaign opens with
    its first offered prompt.
    """
    answer = _generate(campaign, prompt, entry)
    if answer.status != Answer.Status.DONE:
        raise RunFailed(
            "answer_failed",
            f"{entry.version} did not finish an answer: {answer.error or answer.get_status_display()}.",
            "See the engine on the Serve page, then try again here; finished answers are kept.",
        )
    try:
        with transaction.atomic():
            # Both answers may end at the same time: the later one must see the earlier one.
            Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)
            campaign_answer = CampaignAnswer.objects.create(prompt=prompt, entry=entry, answer=answer)
            _compare(prompt.pk)
    except IntegrityError:
        return None
    # After the transaction: changes lock the campaign first and then its prompts.
    _open_with_first_answers(campaign)
    return campaign_answer


@transaction.atomic
def _open_with_first_answers(campaign: Campaign) -> None:
    """Opens a preparing campaign as soon as one prompt can be rated.

    Prompts are answered in the order in which they were drawn, so the first ones are a fair draw of all; each is shown
    only when it has both answers. Verdicts start when the plan is known, after all answers are made.
    """
    if not Prompt.objects.offered().filter(campaign=campaign).exists():
        return
    opened = Campaign.objects.filter(pk=campaign.pk, status=Campaign.Status.PREPARING).update(
        status=Campaign.Status.OPEN, opened_at=timezone.now()
    )
    if opened:
        record(by=None, project=campaign.project, action=EvaluationAction.CAMPAIGN_OPENED, obj=campaign)


def _generate(campaign: Campaign, prompt: Prompt, entry: Entry) -> Answer:
    for attempt in range(TRIES):
        try:
            return generate(
                by=campaign.created_by,
                project=campaign.project,
                version=entry.version,
                messages=prompt.messages,
                context=prompt.context,
                params=campaign.params,
                purpose=Answer.Purpose.CAMPAIGN,
            )
        except PartAway as error:
            if attempt == TRIES - 1:
                raise RunFailed(
                    "engine_away",
                    f"No engine responded for {entry.version}: {error.message}",
                    "Try again when the Serve page shows it as loaded; finished answers are kept.",
                ) from error
            time.sleep(WAIT_SECONDS)
        except Refused as error:
            raise RunFailed("refused", f"{entry.version}: {error.message}", error.advice) from error
    raise AssertionError("unreachable")


def _compare(prompt_id: int) -> None:
    """Raters do not get two equal texts."""
    texts = CampaignAnswer.objects.filter(prompt=prompt_id).values_list("answer__text", flat=True)
    made = [text.strip() for text in texts]
    if len(made) == 2:
        Prompt.objects.filter(pk=prompt_id).update(same_answer=made[0] == made[1])


def _settle_left_over(campaign: Campaign) -> None:
    """Prompts with both answers from before the comparison was stored at once."""
    for prompt_id in Prompt.objects.unanswered().filter(campaign=campaign).values_list("pk", flat=True):
        _compare(prompt_id)


def _must_differ(campaign: Campaign) -> None:
    """For a new campaign. An open one has prompts that differ, and new ones may not differ."""
    campaign.refresh_from_db(fields=["status"])
    if campaign.status != Campaign.Status.PREPARING or campaign.prompts.filter(same_answer=False).exists():
        return
    raise RunFailed(
        "all_same",
        f"Both versions give the same answer to all {campaign.prompts.count()} prompts, so there is nothing to "
        "compare.",
        "Check that the two versions differ, or compare them at a temperature above 0.",
    )
