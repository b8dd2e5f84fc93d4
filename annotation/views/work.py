"""The pages' actions that both queues have: take, heartbeat, draft, skip, undo a skip, release. The API's are in annotation.api.queue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from annotation import services
from annotation.models import Draft, Example
from annotation.queries import queue as queries
from annotation.views.editing import go
from core.access import Access, View, project_page
from core.views.drafts import how_it_stands, saved, writer_of

# Stores what a page's script posts; the mapping has the browser tab, as services.save_draft takes it.
SaveTyped = Callable[[HttpRequest, Access, Example, Mapping[str, Any]], Draft]


@dataclass(frozen=True)
class Work:
    """One queue: its purpose, who works on it, the URL names of its pages, and what is different.

    `page` shows an open example and `home` the whole queue. `onward` opens the next example. `released` is said when an
    example was given back.
    """

    purpose: str
    role: str
    page: str
    home: str
    onward: Callable[[HttpRequest, Access], HttpResponse]
    save: SaveTyped
    released: str = ""


def example_of(access: Access, pk: int) -> Example:
    examples = Example.objects.select_related("submitted_by", "created_by")
    example = access.get(examples, pk=pk)
    example.project = access.project
    return example


class WorkViews:
    """The views of one queue, for its URLs."""

    def __init__(self, work: Work) -> None:
        self.work = work
        post, page = require_POST, require_http_methods(["GET", "HEAD", "POST"])
        opened = project_page(work.role)
        self.take: View = opened(post(self._take))
        self.heartbeat: View = opened(post(self._heartbeat))
        self.draft: View = opened(page(self._draft))
        self.skip: View = opened(post(self._skip))
        self.skip_undo: View = opened(post(self._skip_undo))
        self.release: View = opened(post(self._release))

    def _target(self, access: Access, pk: int) -> dict[str, Any]:
        return {"by": access.user, "example": example_of(access, pk), "purpose": self.work.purpose}

    def _take(self, request: HttpRequest, access: Access, pk: int) -> HttpResponse:
        """Opens this example: a draft with an expired lease, or an example from a list."""
        services.take(**self._target(access, pk))
        return go(request, self.work.page, access.project.slug, pk)

    def _heartbeat(self, request: HttpRequest, access: Access, pk: int) -> HttpResponse:
        lease = services.heartbeat(**self._target(access, pk))
        return JsonResponse({"until": lease.expires_at.isoformat()})

    def _draft(self, request: HttpRequest, access: Access, pk: int) -> HttpResponse:
        """POST saves the draft, also without a lease, so that nothing typed is lost. GET returns the state of the example."""
        target = self._target(access, pk)
        example = target["example"]
        if request.method != "POST":
            home = reverse(f"annotation:{self.work.home}", args=[access.project.slug])
            return how_it_stands(services.item_state(**target), queries.draft_of(access.user, example), home)
        kept = self.work.save(request, access, example, writer_of(request))
        return saved(kept, queries.held_until(access.user, example, self.work.purpose))

    def _skip(self, request: HttpRequest, access: Access, pk: int) -> HttpResponse:
        services.leave(**self._target(access, pk), skip=True, reason=request.POST.get("reason", ""))
        return self.work.onward(request, access)

    def _skip_undo(self, request: HttpRequest, access: Access, pk: int) -> HttpResponse:
        services.undo_skip(**self._target(access, pk))
        messages.success(request, f"#{pk} is back with you.")
        return go(request, self.work.page, access.project.slug, pk)

    def _release(self, request: HttpRequest, access: Access, pk: int) -> HttpResponse:
        services.leave(**self._target(access, pk), skip=False)
        if self.work.released:
            messages.success(request, f"#{pk} {self.work.released}")
        return go(request, self.work.home, access.project.slug)
