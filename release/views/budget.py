"""How much a project's releases may forget."""

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.models import Role
from release import services
from release.budgets import budget_of
from release.forgetting import Budget
from release.forms import ForgettingBudgetForm


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def forgetting_budget(request: HttpRequest, access: Access) -> HttpResponse:
    form = ForgettingBudgetForm(initial=asdict(budget_of(access.project)))
    if request.method == "POST":
        form = ForgettingBudgetForm(request.POST)
        if form.is_valid():
            try:
                services.set_forgetting_budget(
                    by=access.user, project=access.project, budget=Budget(**form.cleaned_data)
                )
            except ExpectedError as error:
                take_errors(form, error)
            else:
                messages.success(request, "Saved. Every gate uses it from now on.")
                return redirect("release:home", access.project.slug)
    return render(
        request, "release/forgetting_budget.html", {"form": form, "usual": Budget()}, status=status_of(form)
    )
