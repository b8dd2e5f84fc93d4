"""The withdrawal of a source: what it will do, and what is left to do afterwards."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.lists.params import Params
from core.models import Role
from core.roles import READERS
from dataset.forms import ReasonForm
from dataset.models import Withdrawal
from dataset.queries.withdrawals import consequences, plan_of, withdrawals_of
from dataset.services.withdrawals import accept_use, reopen_use, restore, withdraw, withdrawal_stamp
from dataset.views.sources import source_of


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def source_withdraw(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """The consequences and a form for the reason; nothing is done before it is sent."""
    source = source_of(access, pk)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            withdrawal = withdraw(
                by=access.user,
                source=source,
                reason=form.cleaned_data["reason"],
                seen=Params(request.POST).text("seen", most=40),
            )
        except ExpectedError as error:
            take_errors(form, error)
        else:
            return redirect("datasets:withdrawal", access.project.slug, withdrawal.pk)
    context = {
        "source": source,
        "form": form,
        "seen": withdrawal_stamp(source),
        "consequences": consequences(source),
    }
    return render(request, "datasets/source_withdraw.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def source_restore(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    source = source_of(access, pk)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            withdrawal = restore(
                by=access.user,
                source=source,
                reason=form.cleaned_data["reason"],
                seen=Params(request.POST).text("seen", most=40),
            )
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(request, f"{source.name} can be used again.")
            return redirect("datasets:withdrawal", access.project.slug, withdrawal.pk)
    withdrawal_now = withdrawals_of(access.project).filter(source=source, restored_at=None).first()
    context = {
        "source": source,
        "form": form,
        "seen": withdrawal_stamp(source),
        "retired": withdrawal_now.examples.count() if withdrawal_now else 0,
    }
    return render(request, "datasets/source_restore.html", context, status=status_of(form))


def _withdrawal(access: Access, pk: int) -> Withdrawal:
    return get_object_or_404(withdrawals_of(access.project), pk=pk)


@project_page(*READERS)
@require_safe
def withdrawal(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """What the withdrawal concerns, and the plan."""
    withdrawal = _withdrawal(access, pk)
    context = {
        "withdrawal": withdrawal,
        "source": withdrawal.source,
        "plan": plan_of(withdrawal),
        "retired": withdrawal.examples.count(),
        "run": withdrawal.restore_run or withdrawal.run,
        "may_change": access.has(Role.ADMIN),
        "form": ReasonForm(),
        "seen": withdrawal_stamp(withdrawal.source),
    }
    return render(request, "datasets/withdrawal.html", context)


@project_page(Role.ADMIN)
@require_POST
def withdrawal_accept(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """One use stays as it is, for a reason."""
    withdrawal, params = _withdrawal(access, pk), Params(request.POST)
    accept_use(
        by=access.user,
        withdrawal=withdrawal,
        use=params.text("use", most=60),
        reason=params.text("reason"),
    )
    return redirect("datasets:withdrawal", access.project.slug, withdrawal.pk)


@project_page(Role.ADMIN)
@require_POST
def withdrawal_reopen(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    withdrawal = _withdrawal(access, pk)
    reopen_use(by=access.user, withdrawal=withdrawal, use=Params(request.POST).text("use", most=60))
    return redirect("datasets:withdrawal", access.project.slug, withdrawal.pk)
