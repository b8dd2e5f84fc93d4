"""Your own account, and the state of the system."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core import health
from core.access import signed_in
from core.api.base import APIView
from core.api.serializers import (
    KeySerializer,
    MadeKeySerializer,
    MeChangeSerializer,
    MeSerializer,
    NewKeySerializer,
    PartSerializer,
    PasswordSerializer,
)
from core.models import ApiKey, User
from core.queries import memberships_of, personal_keys_of
from core.services.keys import create_api_key, revoke_api_key
from core.services.people import change_password, choose_theme, rename_person


class MeView(APIView):
    serializer_class = MeSerializer
    queryset = User.objects.none()

    def get(self, request: Request) -> Response:
        """The person of the key, with projects and roles."""
        user = signed_in(request)
        return self._drawn(user)

    @extend_schema(request=MeChangeSerializer, responses=MeSerializer)
    def patch(self, request: Request) -> Response:
        """Changes your name or theme."""
        values = self.body(MeChangeSerializer)
        user = signed_in(request)
        if "name" in values:
            rename_person(by=user, name=values["name"])
        if "theme" in values:
            choose_theme(by=user, theme=values["theme"])
        return self._drawn(user)

    def _drawn(self, user: User) -> Response:
        return Response(MeSerializer(user, context={"memberships": memberships_of(user)}).data)


class PasswordView(APIView):
    serializer_class = PasswordSerializer
    queryset = User.objects.none()

    @extend_schema(responses={204: None})
    def post(self, request: Request) -> Response:
        """Changes your password. All your sessions and personal keys end, also the one of this request."""
        values = self.body(PasswordSerializer)
        user = signed_in(request)
        change_password(by=user, **values)
        return Response(status=status.HTTP_204_NO_CONTENT)


class PersonalKeysView(mixins.ListModelMixin, APIView):
    serializer_class = KeySerializer
    queryset = ApiKey.objects.none()

    def get_queryset(self) -> QuerySet[ApiKey]:
        return personal_keys_of(signed_in(self.request)).select_related("created_by")

    def get(self, request: Request) -> Response:
        """Your personal keys, without their secrets."""
        return self.list(request)

    @extend_schema(request=NewKeySerializer, responses={201: MadeKeySerializer})
    def post(self, request: Request) -> Response:
        """Creates a personal key."""
        values = self.body(NewKeySerializer)
        api_key, secret = create_api_key(by=signed_in(request), **values)
        return Response({**KeySerializer(api_key).data, "secret": secret}, status=status.HTTP_201_CREATED)


class PersonalKeyView(APIView):
    serializer_class = KeySerializer
    queryset = ApiKey.objects.none()

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Revokes your own key."""
        user = signed_in(request)
        revoke_api_key(by=user, api_key=generics.get_object_or_404(ApiKey, pk=pk, user=user))
        return Response(status=status.HTTP_204_NO_CONTENT)


class StatusView(APIView):
    serializer_class = PartSerializer
    queryset = User.objects.none()
    pagination_class = None

    @extend_schema(responses=PartSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Which parts are up, and since when a part is offline."""
        return Response(PartSerializer(health.parts(), many=True).data)
