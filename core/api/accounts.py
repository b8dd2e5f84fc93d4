"""Other people's accounts: state, sessions, personal keys. For admins of a project, and for operators over all accounts."""

from typing import Any, ClassVar, cast

from drf_spectacular.utils import extend_schema
from rest_framework import generics, mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.access import require_operator
from core.api.base import APIView, ProjectAPIView
from core.api.serializers import AccountSerializer, FirstPasswordSerializer, KeySerializer
from core.forms import AccountFilter
from core.models import ApiKey, Membership, User
from core.queries import accounts, personal_keys_of
from core.roles import ADMINS
from core.services.keys import revoke_api_key_of
from core.services.people import (
    deactivate_person,
    end_sessions,
    reactivate_person,
    require_manager,
    reset_password,
)


class OperatorAPIView(APIView):
    """Refuses everybody except operators with 403, before the handler runs."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # In APIView's order, but people without access get no message about parameters.
        generics.GenericAPIView.initial(self, request, *args, **kwargs)
        require_operator(request.user)
        self.refuse_unknown(request)


class AnyAccountView(OperatorAPIView):
    """`person` is the account with this id."""

    def person(self) -> User:
        return generics.get_object_or_404(User, pk=self.kwargs["pk"])


class MembersAccountView(ProjectAPIView):
    """`person` is the account of the membership with this id."""

    read_roles: ClassVar[tuple[str, ...]] = ADMINS
    write_roles: ClassVar[tuple[str, ...]] = ADMINS

    def person(self) -> User:
        return self.access.get(Membership.objects.select_related("user"), pk=self.kwargs["pk"]).user


class AccountsView(mixins.ListModelMixin, OperatorAPIView):
    serializer_class = AccountSerializer
    queryset = User.objects.none()
    asks = AccountFilter

    def get_queryset(self):  # type: ignore[no-untyped-def]
        wanted = AccountFilter(self.request.GET).checked()
        return accounts(q=wanted.get("q", ""), state=wanted.get("state", ""))

    def get(self, request: Request) -> Response:
        """All accounts of the installation. Operators only."""
        return self.list(request)


# --- actions on one account, for a member and for any account ----------------------------


class _Account:
    serializer_class: Any = AccountSerializer
    queryset: Any = User.objects.none()

    @extend_schema(responses=AccountSerializer)
    def get(self, request: Request, **kwargs: Any) -> Response:
        """The account: active or not, last sign-in, whether its owner chose the password."""
        return Response(AccountSerializer(self.person()).data)  # type: ignore[attr-defined]


class _Deactivate:
    serializer_class: Any = AccountSerializer
    queryset: Any = User.objects.none()

    @extend_schema(request=None, responses=AccountSerializer)
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Deactivates the account: its sessions, personal keys and the application keys it created end. 409 for the last admin or operator."""
        person = self.person()  # type: ignore[attr-defined]
        deactivate_person(by=cast(User, request.user), user=person)
        return Response(AccountSerializer(person).data)


class _Reactivate:
    serializer_class: Any = AccountSerializer
    queryset: Any = User.objects.none()

    @extend_schema(request=None, responses=AccountSerializer)
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Activates the account again. Ended sessions and keys stay ended."""
        person = self.person()  # type: ignore[attr-defined]
        reactivate_person(by=cast(User, request.user), user=person)
        return Response(AccountSerializer(person).data)


class _EndSessions:
    serializer_class: Any = AccountSerializer
    queryset: Any = User.objects.none()

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Signs the person out of every browser."""
        end_sessions(by=cast(User, request.user), user=self.person())  # type: ignore[attr-defined]
        return Response(status=status.HTTP_204_NO_CONTENT)


class _Tokens(mixins.ListModelMixin):
    serializer_class: Any = KeySerializer
    queryset: Any = ApiKey.objects.none()

    def get_queryset(self):  # type: ignore[no-untyped-def]
        person = self.person()  # type: ignore[attr-defined]
        require_manager(cast(User, self.request.user), person)  # type: ignore[attr-defined]
        return personal_keys_of(person).select_related("created_by")

    @extend_schema(responses=KeySerializer(many=True))
    def get(self, request: Request, **kwargs: Any) -> Response:
        """The person's personal keys: names and last use, no secrets."""
        return self.list(request)


class _Token:
    serializer_class: Any = KeySerializer
    queryset: Any = ApiKey.objects.none()

    @extend_schema(responses={204: None})
    def delete(self, request: Request, **kwargs: Any) -> Response:
        """Revokes one of the person's keys immediately."""
        person = self.person()  # type: ignore[attr-defined]
        api_key = generics.get_object_or_404(ApiKey, pk=kwargs["api_key"], user=person)
        revoke_api_key_of(by=cast(User, request.user), user=person, api_key=api_key)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberAccountView(_Account, MembersAccountView): ...


class MemberDeactivateView(_Deactivate, MembersAccountView): ...


class MemberReactivateView(_Reactivate, MembersAccountView): ...


class MemberEndSessionsView(_EndSessions, MembersAccountView): ...


class MemberKeysView(_Tokens, MembersAccountView): ...


class MemberKeyView(_Token, MembersAccountView): ...


class AccountView(_Account, AnyAccountView): ...


class DeactivateView(_Deactivate, AnyAccountView): ...


class ReactivateView(_Reactivate, AnyAccountView): ...


class EndSessionsView(_EndSessions, AnyAccountView): ...


class AccountKeysView(_Tokens, AnyAccountView): ...


class AccountKeyView(_Token, AnyAccountView): ...


class AccountPasswordView(AnyAccountView):
    serializer_class = FirstPasswordSerializer
    queryset = User.objects.none()

    @extend_schema(request=None, responses=FirstPasswordSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """A new first password for somebody who forgot theirs; it is in the response, once."""
        return Response({"first_password": reset_password(by=cast(User, request.user), user=self.person())})
