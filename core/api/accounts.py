"""Other people's accounts: state, sessions, personal keys. For admins of a project, and for operators over all accounts."""

from abc import ABC, abstractmethod
from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.access import require_operator, signed_in
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

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        # In APIView's order, but people without access get no message about parameters.
        generics.GenericAPIView.initial(self, request, *args, **kwargs)
        require_operator(request.user)
        self.refuse_unknown(request)


class _OneAccountView(APIView, ABC):
    @abstractmethod
    def person(self) -> User:
        """The person whose account this is about."""


class AnyAccountView(_OneAccountView, OperatorAPIView):
    """`person` is the account with this id."""

    def person(self) -> User:
        return generics.get_object_or_404(User, pk=self.kwargs["pk"])


class MembersAccountView(_OneAccountView, ProjectAPIView):
    """`person` is the account of the membership with this id."""

    read_roles: ClassVar[tuple[str, ...]] = ADMINS
    write_roles: ClassVar[tuple[str, ...]] = ADMINS

    def person(self) -> User:
        return self.access.get(Membership.objects.select_related("user"), pk=self.kwargs["pk"]).user


class AccountsView(mixins.ListModelMixin, OperatorAPIView):
    serializer_class = AccountSerializer
    queryset = User.objects.none()
    asks = AccountFilter

    def get_queryset(self) -> QuerySet[User]:
        criteria = AccountFilter(self.request.GET).checked()
        return accounts(q=criteria.get("q", ""), state=criteria.get("state", ""))

    def get(self, request: Request) -> Response:
        """All accounts of the installation. Operators only."""
        return self.list(request)


# --- actions on one account, for a member and for any account ----------------------------


class _Account(_OneAccountView):
    serializer_class = AccountSerializer
    queryset = User.objects.none()

    @extend_schema(responses=AccountSerializer)
    def get(self, request: Request, **kwargs: object) -> Response:
        """The account: active or not, last sign-in, whether its owner chose the password."""
        return Response(AccountSerializer(self.person()).data)


class _Deactivate(_OneAccountView):
    serializer_class = AccountSerializer
    queryset = User.objects.none()

    @extend_schema(request=None, responses=AccountSerializer)
    def post(self, request: Request, **kwargs: object) -> Response:
        """Deactivates the account: its sessions, personal keys and the application keys it created end. 409 for the last admin or operator."""
        person = self.person()
        deactivate_person(by=signed_in(request), user=person)
        return Response(AccountSerializer(person).data)


class _Reactivate(_OneAccountView):
    serializer_class = AccountSerializer
    queryset = User.objects.none()

    @extend_schema(request=None, responses=AccountSerializer)
    def post(self, request: Request, **kwargs: object) -> Response:
        """Activates the account again. Ended sessions and keys stay ended."""
        person = self.person()
        reactivate_person(by=signed_in(request), user=person)
        return Response(AccountSerializer(person).data)


class _EndSessions(_OneAccountView):
    serializer_class = AccountSerializer
    queryset = User.objects.none()

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, **kwargs: object) -> Response:
        """Signs the person out of every browser."""
        end_sessions(by=signed_in(request), user=self.person())
        return Response(status=status.HTTP_204_NO_CONTENT)


class _Tokens(mixins.ListModelMixin, _OneAccountView):
    serializer_class = KeySerializer
    queryset = ApiKey.objects.none()

    def get_queryset(self) -> QuerySet[ApiKey]:
        person = self.person()
        require_manager(signed_in(self.request), person)
        return personal_keys_of(person).select_related("created_by")

    @extend_schema(responses=KeySerializer(many=True))
    def get(self, request: Request, **kwargs: object) -> Response:
        """The person's personal keys: names and last use, no secrets."""
        return self.list(request)


class _Token(_OneAccountView):
    serializer_class = KeySerializer
    queryset = ApiKey.objects.none()

    @extend_schema(responses={204: None})
    def delete(self, request: Request, **kwargs: object) -> Response:
        """Revokes one of the person's keys immediately."""
        person = self.person()
        api_key = generics.get_object_or_404(ApiKey, pk=kwargs["api_key"], user=person)
        revoke_api_key_of(by=signed_in(request), user=person, api_key=api_key)
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
        return Response({"first_password": reset_password(by=signed_in(request), user=self.person())})
