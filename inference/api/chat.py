"""ConversationsView with candidates."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.errors import Invalid
from core.roles import CHATTERS
from inference import queries, services
from inference.api.serializers import (
    ChatCandidateSerializer,
    ChatCorrectionSerializer,
    ChatTurnSerializer,
    ConversationSerializer,
    ConversationTurnsSerializer,
    FiledSerializer,
    NewConversationSerializer,
    QuestionSerializer,
)
from inference.models import Answer, Conversation


class _Chatters(ProjectAPIView):
    read_roles = CHATTERS
    write_roles = CHATTERS
    queryset = Conversation.objects.none()

    def own(self, pk: int) -> Conversation:
        return self.access.get(queries.conversations(self.access), pk=pk)

    def get_serializer_context(self) -> dict[str, Any]:
        # The schema is generated without a request, so without an access.
        access = getattr(self, "access", None)
        return {**super().get_serializer_context(), "blind": access is None or queries.is_blind(access)}


class ChatModelsView(_Chatters):
    serializer_class = ChatCandidateSerializer
    pagination_class = None

    @extend_schema(operation_id="chat_candidates_list", responses=ChatCandidateSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The models you can chat with, under the names you may see."""
        return Response(ChatCandidateSerializer(queries.candidates(self.access), many=True).data)


class ConversationsView(_Chatters):
    serializer_class = ConversationSerializer
    lists = True

    @extend_schema(operation_id="conversations_list", responses=ConversationSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Your own conversations, newest first."""
        page = self.paginate_queryset(queries.conversations(self.access))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=NewConversationSerializer, responses={201: ConversationSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Opens a conversation with a candidate."""
        values = self.body(NewConversationSerializer)
        code = values.pop("candidate")
        chosen = next(
            (candidate for candidate in queries.candidates(self.access) if candidate.code == code), None
        )
        if chosen is None:
            raise Invalid("This candidate does not exist.", fields={"candidate": ["See chat/candidates/."]})
        made = services.start_conversation(
            by=self.access.user, project=self.access.project, version=chosen.version, **values
        )
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)


class ConversationView(_Chatters):
    serializer_class = ConversationTurnsSerializer

    @extend_schema(operation_id="conversations_retrieve", responses=ConversationTurnsSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """A conversation with its turns."""
        conversation = self.own(pk)
        services.end_dead(conversation)
        return Response(self.get_serializer(conversation).data)


class AskView(_Chatters):
    serializer_class = QuestionSerializer

    @extend_schema(request=QuestionSerializer, responses={200: ChatTurnSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Asks a question and waits for the answer."""
        values = self.body(QuestionSerializer)
        conversation, blind = self.own(pk), queries.is_blind(self.access)
        if "text" in values:
            opened = services.ask(
                by=self.access.user,
                conversation=conversation,
                text=values["text"],
                blind=blind,
            )
        else:
            opened = services.ask_again(by=self.access.user, conversation=conversation, blind=blind)
        services.answer_now(opened)
        turn = next(t for t in queries.turns_of(conversation) if t.number == opened.answer.turn)
        return Response(ChatTurnSerializer(turn).data)


class CorrectView(_Chatters):
    serializer_class = ChatCorrectionSerializer

    @extend_schema(request=ChatCorrectionSerializer, responses={201: FiledSerializer})
    def post(self, request: Request, slug: str, pk: int, public_id: UUID) -> Response:
        """Files a better answer as an example for annotation."""
        values = self.body(ChatCorrectionSerializer)
        answer = self.access.get(
            Answer.objects.select_related("project", "conversation"),
            public_id=public_id,
            conversation=self.own(pk),
        )
        example = services.correct(by=self.access.user, answer=answer, **values)
        return Response({"example": example.pk}, status=status.HTTP_201_CREATED)
