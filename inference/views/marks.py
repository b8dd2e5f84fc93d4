"""Good and bad marks under the answers of a chat."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from core.access import Access, project_page
from core.errors import ExpectedError
from core.http.requests import by_htmx
from core.roles import CHATTERS
from inference import queries, services
from inference.forms import MarkForm
from inference.models import Answer


@project_page(*CHATTERS)
@require_POST
def mark(request: HttpRequest, access: Access, pk: int, public_id: UUID) -> HttpResponse:
    """Marks an answer good or bad, changes the reason, or takes the mark back ("none")."""
    conversation = access.get(queries.conversations(access), pk=pk)
    answer = access.get(
        Answer.objects.select_related("project"), public_id=public_id, conversation=conversation
    )
    form = MarkForm(request.POST)
    marked, error = None, ""
    if not form.is_valid():
        error = "Choose good or bad, with a reason of at most 300 characters."
    elif form.cleaned_data["mark"] == "none":
        services.take_back_mark(by=access.user, answer=answer)
    else:
        try:
            marked = services.mark_answer(
                by=access.user,
                answer=answer,
                good=form.cleaned_data["mark"] == "good",
                reason=form.cleaned_data["reason"],
            )
        except ExpectedError as refused:
            error = f"{refused.message} {refused.advice}".strip()
    if not by_htmx(request) and not error:
        url = reverse("inference:conversation", args=[access.project.slug, pk])
        return redirect(f"{url}#turn-{answer.turn}")
    if error:
        marked = queries.marks_of(access.user, [answer]).get(answer.pk)
    context = {
        "conversation": conversation,
        "answer": answer,
        "mark": marked,
        "mark_error": error,
        # The button that was pressed is gone: the keyboard goes on from here.
        "just": by_htmx(request),
    }
    return render(request, "inference/_mark.html", context, status=422 if error else 200)
