"""Quality, Duplicates: the clusters that a search found, one cluster to settle, and examples that are too near to test rows."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotation.links import annotation_subnav
from core.access import Access, project_page
from core.errors import Invalid
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from core.wording import counted
from dataset.filters import DuplicateFilter
from dataset.forms import SettleForm
from dataset.models import DuplicateCluster, DuplicateMember
from dataset.queries.duplicates import (
    ON_A_PAGE,
    chosen_at_first,
    clusters_of,
    consequences_of,
    last_finished,
    last_search,
    members_in,
    members_of,
    near_test_of,
    next_open,
    open_counts,
)
from dataset.queries.likeness import likeness_words, question_of
from dataset.services.duplicate_searches import start_search
from dataset.services.duplicates import KeepRule, cluster_stamp, settle, undo_settlement
from dataset.services.near_tests import MOST_AT_ONCE, retire_near, retired_lately, undo_retired_near


@project_page(*EXAMPLE_READERS)
@require_safe
def duplicates(request: HttpRequest, access: Access) -> HttpResponse:
    filters = DuplicateFilter(request.GET)
    clusters = clusters_of(access.project, **filters.clusters())
    context = {
        "filters": filters,
        "page": cut(request, filters.shown(clusters), 25),
        "counts": open_counts(access.project),
        "near": near_test_of(access.project).order_by().count(),
        **_search(access),
    }
    return render(request, "datasets/duplicates.html", context, status=filters.http_status)


def _search(access: Access) -> dict[str, Any]:
    """What the pages say about the searches."""
    search = last_search(access.project)
    return {
        "search": search,
        "finished": last_finished(access.project),
        "may_settle": access.has(*EXAMPLE_DECIDERS),
        "may_cancel": access.has(Role.ADMIN),
        "sees_runs": access.follows(search.run if search else None),
        "subnav": annotation_subnav(access, "quality:findings"),
    }


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def duplicates_find(request: HttpRequest, access: Access) -> HttpResponse:
    """Starts a search."""
    start_search(by=access.user, project=access.project)
    messages.success(request, "Guildhall looks for duplicates now.")
    return redirect("datasets:duplicates", access.project.slug)


@project_page(*EXAMPLE_READERS)
@require_safe
def near_test(request: HttpRequest, access: Access) -> HttpResponse:
    """Examples that a freeze will withhold, each with its test row."""
    context = {
        "page": cut(request, near_test_of(access.project), 25),
        "undo": retired_lately(access.user, access.project) if access.has(*EXAMPLE_DECIDERS) else None,
        **_search(access),
    }
    return render(request, "datasets/near_test.html", context)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def near_test_retire(request: HttpRequest, access: Access) -> HttpResponse:
    """Retires the selected examples, or all of the list that the page showed (`all`, the number of its search)."""
    given = Params(request.POST)
    retired = retire_near(
        by=access.user,
        project=access.project,
        examples=None if given.flag("all") else given.numbers("example"),
        search=given.number("search") or 0,
    )
    if retired:
        left = " Choose it again for the others." if retired == MOST_AT_ONCE else ""
        messages.success(
            request, f"{counted(retired, 'example')} retired.{left} You can undo this for ten minutes."
        )
    else:
        messages.warning(request, "Nothing was selected, or somebody retired these examples before you.")
    return redirect("datasets:near-test", access.project.slug)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def near_test_undo(request: HttpRequest, access: Access) -> HttpResponse:
    restored = undo_retired_near(by=access.user, project=access.project)
    messages.success(request, f"{counted(restored, 'example')} brought back, with the status that they had.")
    return redirect("datasets:near-test", access.project.slug)


def _cluster(access: Access, pk: int) -> DuplicateCluster:
    return access.get(DuplicateCluster.objects.select_related("project", "settled_by", "first"), pk=pk)


def _page(
    request: HttpRequest,
    access: Access,
    cluster: DuplicateCluster,
    form: SettleForm | None,
    status: int = 200,
) -> HttpResponse:
    page = cut(request, members_in(cluster), ON_A_PAGE)
    shown = members_of(cluster, page.object_list)
    first = cluster.first
    consequences = consequences_of(shown)
    open_now = cluster.status == DuplicateCluster.Status.OPEN
    chosen = form.kept() if form else chosen_at_first(cluster, shown)
    context = {
        "cluster": cluster,
        "members": [
            (one, question_of(one.example.messages), one.example.pk in chosen, _likeness(cluster, one.member))
            for one in shown
        ],
        "first": first,
        "several": len({one.member.part for one in shown} - {0}) > 1,
        "first_question": question_of(first.messages),
        "consequences": consequences,
        "page": page,
        "more": max(0, cluster.size - len(shown)),
        "rules": KeepRule.choices,
        "is_open": open_now,
        "can_settle": access.has(*EXAMPLE_DECIDERS) and open_now,
        "can_undo": access.has(*EXAMPLE_DECIDERS) and not open_now,
        "form": form,
        "seen": cluster_stamp(cluster),
        "next": next_open(cluster),
        "subnav": annotation_subnav(access, "quality:findings"),
    }
    return render(request, "datasets/duplicate_cluster.html", context, status=status)


def _likeness(cluster: DuplicateCluster, member: DuplicateMember) -> str:
    """What the example shares with the first one of its cluster; empty for the first one itself."""
    if member.example_id == cluster.first_id:
        return ""
    return likeness_words(cluster.first, member.example, kind=cluster.kind, similarity=member.similarity)


@project_page(*EXAMPLE_READERS)
@require_safe
def duplicate_cluster(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    return _page(request, access, _cluster(access, pk), None)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def duplicate_settle(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Keeps the chosen examples and retires the others, or says that all are wanted."""
    cluster = _cluster(access, pk)
    form = SettleForm(request.POST)
    try:
        settled = settle(
            by=access.user,
            cluster=cluster,
            keep=None if form.all_wanted() else form.rule() or form.kept(),
            reason=form.reason(),
            seen=Params(request.POST).text("seen", most=40),
        )
    except Invalid as error:
        form.show(error)
        return _page(request, access, _cluster(access, pk), form, error.status)
    retired = settled.members.exclude(was="").count()
    words = f"{counted(retired, 'example')} retired." if retired else "All stay."
    messages.success(request, f"The cluster is settled. {words} You can undo this here.")
    return redirect("datasets:duplicate-cluster", access.project.slug, cluster.pk)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def duplicate_undo(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Opens a settled cluster again and brings back what it retired."""
    cluster = _cluster(access, pk)
    undo_settlement(by=access.user, cluster=cluster, seen=Params(request.POST).text("seen", most=40))
    messages.success(request, "The cluster is open again. Its examples have the status that they had.")
    return redirect("datasets:duplicate-cluster", access.project.slug, cluster.pk)
