"""Good and bad marks of chat answers."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.roles import CHATTERS
from inference import queries, services
from inference.api.mark_serializers import MarkSerializer, NewMarkSerializer
from inference.models import Answer, Conversation


class MarkView(ProjectAPIView):
    read_roles = CHATTERS
    write_roles = CHATTERS
    queryset = Conversation.objects.none()
    serializer_class = NewMarkSerializer

    def _answer(self, pk: int, public_id: UUID) -> Answer:
        conversation = self.access.get(queries.conversations(self.access), pk=pk)
        return self.access.get(
            Answer.objects.select_related("project"), public_id=public_id, conversation=conversation
        )

    @extend_schema(operation_id="marks_set", request=NewMarkSerializer, responses={200: MarkSerializer})
    def post(self, request: Request, slug: str, pk: int, public_id: UUID) -> Response:
        """Marks an answer of your chat good or bad, in place of your earlier mark."""
        values = self.body(NewMarkSerializer)
        mark = services.mark_answer(by=self.access.user, answer=self._answer(pk, public_id), **values)
        return Response(MarkSerializer(mark).data)

    @extend_schema(operation_id="marks_take_back", responses={204: None})
    def delete(self, request: Request, slug: str, pk: int, public_id: UUID) -> Response:
        """Takes your mark back."""
        services.take_back_mark(by=self.access.user, answer=self._answer(pk, public_id))
        return Response(status=status.HTTP_204_NO_CONTENT)
