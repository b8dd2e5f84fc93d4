"""Chat with a candidate: choosing one, the conversation, asking, correcting."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.queries.examples import slices_to_choose
from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import take_errors
from core.http.requests import by_htmx
from core.lists.paging import cut
from core.lists.params import Params
from core.roles import CHATTERS
from core.services.drafts import FormState
from core.views.drafts import how_it_stands, never_from_memory, saved, writer_of
from inference import queries, services
from inference.forms import CorrectionForm, NewChatForm, QuestionForm
from inference.models import Answer, Conversation, CorrectionDraft
from inference.queries.personal import adapter_of_person
from inference.views.streams import stream_response, wants_stream
from inference.views.subnav import serving_subnav


def _name(access: Access, conversation: Conversation) -> str:
    if queries.is_blind(access):
        return queries.candidate_label(conversation.version)
    return queries.version_label(conversation.version)


@project_page(*CHATTERS)
@require_http_methods(["GET", "HEAD", "POST"])
def chat(request: HttpRequest, access: Access) -> HttpResponse:
    """Choose a candidate and ask; below, your own conversations."""
    candidates = queries.candidates(access)
    ideas = queries.suggestions(access.project)
    choices = [(candidate.code, candidate.label) for candidate in candidates]
    if request.method == "POST":
        form = NewChatForm(request.POST, choices=choices)
        if form.is_valid():
            chosen = next(
                candidate for candidate in candidates if candidate.code == form.cleaned_data["candidate"]
            )
            try:
                conversation = services.start_conversation(
                    by=access.user,
                    project=access.project,
                    version=chosen.version,
                    context=form.cleaned_data["context"],
                    title=form.cleaned_data["text"],
                )
            except ExpectedError as error:
                take_errors(form, error)
            else:
                # The page asks once it is open, so that the answer streams.
                request.session[f"first-question:{conversation.pk}"] = form.cleaned_data["text"]
                return redirect("inference:conversation", access.project.slug, conversation.pk)
    else:
        form = NewChatForm(initial=_initial(request, candidates, ideas), choices=choices)
    page = cut(request, queries.conversations(access), 15)
    context = {
        "form": form,
        "candidates": candidates,
        "chosen": form["candidate"].value(),
        "ideas": ideas,
        "page": page,
        "rows": [(conversation, _name(access, conversation)) for conversation in page],
        "blind": queries.is_blind(access),
        "subnav": serving_subnav(access, "inference:chat"),
    }
    response = render(request, "inference/chat.html", context, status=422 if form.errors else 200)
    return never_from_memory(response)


def _initial(
    request: HttpRequest, candidates: list[queries.ChatModel], ideas: list[queries.Suggestion]
) -> dict[str, str]:
    """The form with values from the address: `?try=2` for a suggestion, `?with=<token>` for a candidate."""
    ready = [candidate for candidate in candidates if candidate.state.ready] or candidates
    live = next((candidate for candidate in ready if candidate.live), ready[0] if ready else None)
    initial = {"candidate": live.code if live else ""}
    params = Params(request.GET)
    if code := params.choice("with", {candidate.code for candidate in candidates}):
        initial["candidate"] = code
    number = params.number("try", most=len(ideas) - 1)
    if number is not None:
        idea = ideas[number]
        initial |= {"text": idea.text, "context": idea.records}
    return initial


def _own(access: Access, pk: int) -> Conversation:
    return access.get(
        Conversation.objects.select_related("project", "version__base_model", "version__project"),
        pk=pk,
        user=access.user,
    )


def _page(
    request: HttpRequest, access: Access, conversation: Conversation, *, status: int = 200, **more: object
) -> HttpResponse:
    """The conversation; `more` has the errors of a question or a correction."""
    context = {
        "conversation": conversation,
        "name": _name(access, conversation),
        "code": queries.model_code(conversation.version),
        "turns": queries.with_own(queries.turns_of(conversation), access.user),
        "state": queries.state_of(queries.deployment_of(conversation.version)),
        "adapter": adapter_of_person(access.project, conversation.version, access.user),
        "blind": queries.is_blind(access),
        "question": QuestionForm(),
        "correction": CorrectionForm(),
        "slices": slices_to_choose(access.project),
        "subnav": serving_subnav(access, "inference:chat"),
        **more,
    }
    return never_from_memory(render(request, "inference/conversation.html", context, status=status))


@project_page(*CHATTERS)
@require_safe
def conversation(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    conversation = _own(access, pk)
    services.end_dead(conversation)
    first = request.session.pop(f"first-question:{pk}", "")
    return _page(
        request, access, conversation, question=QuestionForm(initial={"text": first}), first=bool(first)
    )


@project_page(*CHATTERS)
@require_safe
def chat_state(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Whether the candidate can answer now; the page reloads this until it can."""
    conversation = _own(access, pk)
    context = {
        "conversation": conversation,
        "state": queries.state_of(queries.deployment_of(conversation.version)),
        "blind": queries.is_blind(access),
    }
    return render(request, "inference/_state.html", context)


def _answer(
    request: HttpRequest, access: Access, conversation: Conversation, *, text: str | None
) -> HttpResponseBase:
    """Asks (`text`) or asks again (None): an event stream for the page's script, else the finished page."""
    blind = queries.is_blind(access)
    try:
        if text is None:
            opened = services.ask_again(by=access.user, conversation=conversation, blind=blind)
        else:
            opened = services.ask(by=access.user, conversation=conversation, text=text, blind=blind)
        if wants_stream(request):
            return stream_response(request, opened, conversation, slices_to_choose(access.project))
        services.answer_now(opened)
    except ExpectedError as error:
        if wants_stream(request):
            raise
        form = QuestionForm({"text": text or ""})
        form.add_error("text", str(error))
        return _page(request, access, conversation, status=error.status, question=form)
    url = reverse("inference:conversation", args=[access.project.slug, conversation.pk])
    return redirect(f"{url}#turn-{opened.answer.turn}")


@project_page(*CHATTERS)
@require_POST
def ask(request: HttpRequest, access: Access, pk: int) -> HttpResponseBase:
    return _answer(request, access, _own(access, pk), text=request.POST.get("text", ""))


@project_page(*CHATTERS)
@require_POST
def ask_again(request: HttpRequest, access: Access, pk: int) -> HttpResponseBase:
    return _answer(request, access, _own(access, pk), text=None)


def _turn(conversation: Conversation, public_id: UUID) -> queries.Turn | None:
    return next((turn for turn in queries.turns_of(conversation) if turn.answer.public_id == public_id), None)


@project_page(*CHATTERS)
@require_safe
def turn(request: HttpRequest, access: Access, pk: int, public_id: UUID) -> HttpResponse:
    """One turn, for the page after a stop. 204 while the answer is still being ended."""
    conversation = _own(access, pk)
    services.end_dead(conversation)
    turn = _turn(conversation, public_id)
    if turn is None or turn.answer.status == Answer.Status.STREAMING:
        return HttpResponse(status=204)
    turns = queries.turns_of(conversation)
    context = {
        "turn": turn,
        "last": turn.number == turns[-1].number,
        "conversation": conversation,
        "blind": queries.is_blind(access),
        "correction": CorrectionForm(),
        "slices": slices_to_choose(access.project),
    }
    return render(request, "inference/_turn.html", context)


def _answer_of(access: Access, conversation: Conversation, public_id: UUID) -> Answer:
    answers = Answer.objects.select_related("project", "conversation")
    return access.get(answers, public_id=public_id, conversation=conversation)


@project_page(*CHATTERS)
@require_http_methods(["GET", "HEAD", "POST"])
def correct_draft(request: HttpRequest, access: Access, pk: int, public_id: UUID) -> HttpResponse:
    """POST saves an unsent correction; GET returns the tab that saved it last."""
    conversation = _own(access, pk)
    answer = _answer_of(access, conversation, public_id)
    if request.method != "POST":
        draft = CorrectionDraft.objects.filter(answer=answer, user=access.user).first()
        here = reverse("inference:conversation", args=[access.project.slug, conversation.pk])
        return how_it_stands(FormState(True, True, True), draft, here)
    kept = services.save_correction_draft(
        by=access.user, answer=answer, content=request.POST, **writer_of(request)
    )
    return saved(kept)


@project_page(*CHATTERS)
@require_POST
def correct(request: HttpRequest, access: Access, pk: int, public_id: UUID) -> HttpResponse:
    """Files a better answer as an example for annotation."""
    conversation = _own(access, pk)
    answer = _answer_of(access, conversation, public_id)
    form = CorrectionForm(request.POST)
    example = None
    try:
        example = services.correct(by=access.user, answer=answer, **form.typed())
    except ExpectedError as error:
        if not form.errors:
            take_errors(form, error)
    shared = {"conversation": conversation, "answer": answer, "slices": slices_to_choose(access.project)}
    if by_htmx(request):
        context = shared | {"correction": form, "typed": request.POST, "filed": example, "open": True}
        return render(request, "inference/_correct.html", context, status=200 if example else 422)
    if example is None:
        return _page(request, access, conversation, status=422, correction=form, correcting=answer.pk)
    messages.success(request, f"Your correction is in the annotation queue as {example}.")
    url = reverse("inference:conversation", args=[access.project.slug, conversation.pk])
    return redirect(f"{url}#turn-{answer.turn}")
