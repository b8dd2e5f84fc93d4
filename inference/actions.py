"""The audited actions of inference, and how each reads in a sentence."""

from core.audit.actions import QUIET, AuditAction


class InferenceAction(AuditAction):
    DEPLOYMENT_REQUESTED = "deployment.requested", "{actor} requested to load {label}", QUIET
    DEPLOYMENT_REQUESTED_AGAIN = "deployment.requested_again", "{actor} requested again to load {label}"
    DEPLOYMENT_UNLOAD_REQUESTED = "deployment.unload_requested", "{actor} requested to unload {label}"
    DEPLOYMENT_LOADED = (
        "deployment.loaded",
        "{label} is loaded; {checked} prompts gave the same tokens",
        QUIET,
    )
    DEPLOYMENT_FAILED = "deployment.failed", "{label} could not be loaded: {reason}"
    DEPLOYMENT_UNLOADED = "deployment.unloaded", "{label} was unloaded", QUIET
    ENGINE_UP = "engine.up", "The engine {label} started", QUIET
    ENGINE_DOWN = "engine.down", "The engine {label} went down: {error}"
    ENGINE_STOPPED = "engine.stopped", "The engine {label} was stopped", QUIET
    ENGINE_WEIGHTS_DIFFERED = (
        "engine.weights_differed",
        "The engine {label} answered with wrong weights and was taken out of service; {marked} answers here are marked",
    )
    ROUTE_CHANGED = "route.changed", "{actor} released {label}", QUIET
    CONVERSATION_STARTED = "conversation.started", "{actor} started a chat", QUIET
    ANSWER_CORRECTED = "answer.corrected", "{actor} corrected an answer of a chat"
    ANSWER_MARKED = "answer.marked", "{actor} marked an answer of a chat {mark}", QUIET
    ANSWER_MARK_TAKEN_BACK = "answer.mark_taken_back", "{actor} took back a mark of an answer", QUIET
