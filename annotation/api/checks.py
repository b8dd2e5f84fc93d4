"""Which checks a project uses, for programs."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.serializers import CheckSettingsChangeSerializer, CheckSettingsSerializer
from annotation.checks import CHECKS
from annotation.services.check_settings import checks_stamp, set_checks
from core.api.base import ProjectAPIView
from core.models import Project
from core.roles import ADMINS, READERS


class ChecksView(ProjectAPIView):
    serializer_class = CheckSettingsSerializer
    pagination_class = None
    queryset: QuerySet[Project] = Project.objects.none()
    read_roles, write_roles = READERS, ADMINS

    def _settings(self) -> Response:
        project = self.access.project
        checks = [
            {"name": name, "about": check.about, "on": name not in project.checks_off}
            for name, check in CHECKS.items()
        ]
        body = {
            "checks": checks,
            "languages": project.languages,
            "most_example_tokens": project.most_example_tokens,
            "seen": checks_stamp(project),
        }
        return Response(CheckSettingsSerializer(body).data)

    def get(self, request: Request, slug: str) -> Response:
        """The checks, which of them are on, and what they expect."""
        return self._settings()

    @extend_schema(request=CheckSettingsChangeSerializer, responses=CheckSettingsSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        """Switches checks off and on. 409 when the settings changed since `seen` was read."""
        values = self.body(CheckSettingsChangeSerializer)
        project = self.access.project
        set_checks(
            by=self.access.user,
            project=project,
            off=values.get("off", project.checks_off),
            languages=values.get("languages", project.languages),
            most_example_tokens=values.get("most_example_tokens", project.most_example_tokens),
            seen=values.get("seen", ""),
        )
        return self._settings()
