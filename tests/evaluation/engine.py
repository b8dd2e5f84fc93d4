"""What answers in the place of an engine while a campaign's answers are made."""

from core.errors import PartAway
from evaluation.models import Prompt
from evaluation.runner import answers
from inference.models import Answer


def fake_engine(monkeypatch, answer=None, fail_after=None):
    """Answers in the place of the engine; the rows are the real ones. Gives the list of versions asked."""
    asked = []

    def generate(*, by, project, version, messages, context, params, purpose):
        if fail_after is not None and len(asked) >= fail_after:
            raise PartAway("The engine is away.")
        asked.append(version.pk)
        text = answer(version, messages) if answer else f"{version} says: {messages[-1]['content']}"
        return Answer.objects.create(
            project=project,
            version=version,
            purpose=purpose,
            user=by,
            messages=messages,
            params=params,
            text=text,
            status=Answer.Status.DONE,
        )

    monkeypatch.setattr(answers, "generate", generate)
    monkeypatch.setattr(answers, "WAIT_SECONDS", 0)
    return asked


def make_missing(campaign, *, at_most=None):
    """Makes the answers that a campaign lacks, in this thread, as its run does; then its run has succeeded."""
    from core.runs.execution import end_unstarted

    entries = list(campaign.entries.select_related("version__base_model"))
    for prompt in Prompt.objects.unanswered().filter(campaign=campaign)[:at_most]:
        for entry in entries:
            answers.make_answer(campaign, prompt, entry)
    if at_most is None:
        campaign.refresh_from_db()
        end_unstarted(campaign.run, "succeeded")
