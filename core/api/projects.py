"""ProjectsView, their people, keys, background jobs and audit."""

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.access import signed_in
from core.api.base import APIView, ProjectAPIView
from core.api.serializers import (
    AddedPersonSerializer,
    AuditEntrySerializer,
    FirstPasswordSerializer,
    KeySerializer,
    LoopSerializer,
    MadeKeySerializer,
    MembershipSerializer,
    NewKeySerializer,
    NewPersonSerializer,
    NewProjectSerializer,
    ProjectChangeSerializer,
    ProjectSerializer,
    RolesSerializer,
    RunSerializer,
)
from core.forms import AuditFilter, PeopleFilter, RunFilter
from core.home.compose import loop_context
from core.models import ApiKey, AuditEntry, Membership, Project, Role, Run
from core.queries import application_keys_of, audit_entries, memberships_of, people_of, runs_of
from core.roles import ADMINS, READERS
from core.runs.control import request_cancel, start_again
from core.services.keys import create_api_key, revoke_api_key
from core.services.people import reset_password
from core.services.projects import change_roles, create_project, invite, remove_member, update_project


class ProjectsView(mixins.ListModelMixin, APIView):
    serializer_class = ProjectSerializer
    queryset = Project.objects.none()

    def get_queryset(self) -> QuerySet[Project]:
        # A partner may not read a project's settings; `me/` gives them its name.
        mine = memberships_of(signed_in(self.request)).exclude(roles=[Role.PARTNER]).values("project_id")
        return Project.objects.filter(pk__in=mine).order_by("name")

    def get(self, request: Request) -> Response:
        """Your projects, by name, without those where you are a partner."""
        return self.list(request)

    @extend_schema(request=NewProjectSerializer, responses={201: ProjectSerializer})
    def post(self, request: Request) -> Response:
        """Creates a project (operators only). You become its first admin."""
        user = signed_in(request)
        if not user.is_operator:
            raise PermissionDenied("Only an operator can create projects.")
        values = self.body(NewProjectSerializer)
        project = create_project(by=user, **values)
        return Response(ProjectSerializer(project).data, status=status.HTTP_201_CREATED)


class ProjectView(ProjectAPIView):
    serializer_class = ProjectSerializer
    queryset = Project.objects.none()
    write_roles = ADMINS

    def get(self, request: Request, slug: str) -> Response:
        """The project and its settings."""
        return Response(ProjectSerializer(self.access.project).data)

    @extend_schema(request=ProjectChangeSerializer, responses=ProjectSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        """Changes the project's settings. 409 when they changed since `seen` was read."""
        values = self.body(ProjectChangeSerializer)
        project = update_project(by=self.access.user, project=self.access.project, **values)
        return Response(ProjectSerializer(project).data)


class HomeView(ProjectAPIView):
    serializer_class = LoopSerializer
    queryset = Project.objects.none()

    def get(self, request: Request, slug: str) -> Response:
        """The stages with their figures, and the next steps for you."""
        context = loop_context(self.access)
        stages = [
            {
                "key": drawn.stage.key,
                "label": drawn.stage.label,
                "figure": drawn.card.figure,
                "line": drawn.card.line,
                "url": drawn.card.url,
            }
            for drawn in context["drawn"]
            if drawn.card
        ]
        return Response(LoopSerializer({"stages": stages, "next": context["next_items"]}).data)


class MembersView(mixins.ListModelMixin, ProjectAPIView):
    serializer_class = MembershipSerializer
    queryset = Membership.objects.none()
    read_roles, write_roles = READERS, ADMINS
    asks = PeopleFilter

    def get_queryset(self) -> QuerySet[Membership]:
        return people_of(self.access.project, **PeopleFilter(self.request.GET).checked())

    def get(self, request: Request, slug: str) -> Response:
        """Members, with their roles."""
        return self.list(request)

    @extend_schema(request=NewPersonSerializer, responses={201: AddedPersonSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Adds a person by e-mail address. The first password of a new account is in the response, once.

        An account whose first password was not changed gets a new one, also once.
        """
        values = self.body(NewPersonSerializer)
        invited = invite(by=self.access.user, project=self.access.project, **values)
        body = {**MembershipSerializer(invited.membership).data, "first_password": invited.first_password}
        return Response(body, status=status.HTTP_201_CREATED)


class MemberView(ProjectAPIView):
    serializer_class = RolesSerializer
    queryset = Membership.objects.none()
    read_roles, write_roles = READERS, ADMINS

    def _membership(self, pk: int) -> Membership:
        return self.access.get(Membership.objects.select_related("user", "project"), pk=pk)

    @extend_schema(responses=MembershipSerializer)
    def patch(self, request: Request, slug: str, pk: int) -> Response:
        """Changes a person's roles. 409 when they changed since `seen` was read, or when the project would have no admin."""
        values = self.body(RolesSerializer)
        membership = change_roles(by=self.access.user, membership=self._membership(pk), **values)
        return Response(MembershipSerializer(membership).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Removes a person from the project; their work stays."""
        remove_member(by=self.access.user, membership=self._membership(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberPasswordView(ProjectAPIView):
    serializer_class = FirstPasswordSerializer
    queryset = Membership.objects.none()
    read_roles, write_roles = ADMINS, ADMINS

    @extend_schema(request=None, responses=FirstPasswordSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Gives a person a new first password; it is in the response, once."""
        membership = self.access.get(Membership.objects.select_related("user"), pk=pk)
        first = reset_password(by=self.access.user, user=membership.user)
        return Response({"first_password": first})


class ApplicationKeysView(mixins.ListModelMixin, ProjectAPIView):
    serializer_class = KeySerializer
    queryset = ApiKey.objects.none()
    read_roles, write_roles = READERS, ADMINS

    def get_queryset(self) -> QuerySet[ApiKey]:
        return application_keys_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """Application keys, without their secrets."""
        return self.list(request)

    @extend_schema(request=NewKeySerializer, responses={201: MadeKeySerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Creates an application key; its secret is in the response, once."""
        values = self.body(NewKeySerializer)
        api_key, secret = create_api_key(
            by=self.access.user, project=self.access.project, name=values["name"]
        )
        return Response({**KeySerializer(api_key).data, "secret": secret}, status=status.HTTP_201_CREATED)


class ApplicationKeyView(ProjectAPIView):
    serializer_class = KeySerializer
    queryset = ApiKey.objects.none()
    read_roles, write_roles = READERS, ADMINS

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Revokes an application key immediately."""
        api_key = self.access.get(ApiKey.objects.select_related("project"), pk=pk)
        revoke_api_key(by=self.access.user, api_key=api_key)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AuditView(mixins.ListModelMixin, ProjectAPIView):
    serializer_class = AuditEntrySerializer
    queryset = AuditEntry.objects.none()
    read_roles = READERS
    asks = AuditFilter

    def get_queryset(self) -> QuerySet[AuditEntry]:
        criteria = AuditFilter(self.request.GET, project=self.access.project).checked()
        return audit_entries(self.access.project, criteria)

    def get(self, request: Request, slug: str) -> Response:
        """Who did what, newest first."""
        return self.list(request)


class RunsView(mixins.ListModelMixin, ProjectAPIView):
    serializer_class = RunSerializer
    queryset = Run.objects.none()
    read_roles = READERS
    asks = RunFilter

    def get_queryset(self) -> QuerySet[Run]:
        return runs_of(self.access.project, **RunFilter(self.request.GET).checked())

    def get(self, request: Request, slug: str) -> Response:
        """Background jobs, newest first."""
        return self.list(request)


class _RunView(ProjectAPIView):
    serializer_class = RunSerializer
    queryset = Run.objects.none()
    read_roles, write_roles = READERS, ADMINS

    def run(self, pk: int) -> Run:
        return self.access.get(Run.objects.select_related("project", "created_by"), pk=pk)


class RunView(_RunView):
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One background job."""
        return Response(RunSerializer(self.run(pk)).data)


class CancelRunView(_RunView):
    @extend_schema(request=None, responses=RunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Cancels a background job. 409 when it has ended."""
        return Response(RunSerializer(request_cancel(by=self.access.user, run=self.run(pk))).data)


class ResumeRunView(_RunView):
    @extend_schema(request=None, responses=RunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Starts a failed or cancelled background job again, from its saved state. 409 when it is active or succeeded."""
        return Response(RunSerializer(start_again(by=self.access.user, run=self.run(pk))).data)
