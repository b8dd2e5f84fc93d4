"""Signing in and out. django-axes counts failed attempts in the authentication backend, core.sign_in.attempts those of a network."""

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from core.errors import Busy
from core.forms import SignInForm
from core.models import User
from core.sign_in import attempts
from core.views.theme import remember_theme


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):
    """LoginView checks the next address, rotates the session and does not cache."""

    template_name = "core/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        self.email = str(request.POST.get("username", "")).strip().lower()
        attempts.count_sign_in(request, self.email)
        try:
            return super().post(request, *args, **kwargs)
        except Busy:
            attempts.uncount_sign_in(request, self.email)
            raise

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        user = form.get_user()
        attempts.uncount_sign_in(self.request, self.email)
        if isinstance(user, User):
            remember_theme(response, user.theme)
            attempts.remember_device(self.request, response, user.email)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        if not form.non_field_errors():
            attempts.uncount_sign_in(self.request, self.email)  # a field was empty: no password was checked
        elif not getattr(self.request, "axes_locked_out", False):
            attempts.note_wrong_password(self.request, self.email)
        return self.render_to_response(self.get_context_data(form=form), status=422)


sign_in = SignIn.as_view()


@login_not_required
@never_cache
@require_safe
def session(request: HttpRequest) -> JsonResponse:
    """Who is signed in in this browser now, for pages that were opened before: {user, name, csrf}, user "" when nobody is signed in.

    Other sites cannot read it: it sends no CORS headers, and the session cookie is SameSite=Lax.
    """
    if not isinstance(request.user, User):
        return JsonResponse({"user": "", "name": "", "csrf": ""})
    return JsonResponse({"user": str(request.user.pk), "name": request.user.name, "csrf": get_token(request)})


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("core:sign-in")
