"""The audited actions of core, and the base of those that other apps have. Each says how it reads in a sentence."""

from enum import StrEnum

QUIET = True  # in the audit, but too small for Home


class AuditAction(StrEnum):
    """An action as it is stored, noun.past-participle, with its sentence: {actor}, {label} and any key of the entry's detail.

    Each app lists its own in one class and registers it from AppConfig.ready (core.audit.sentences.register_actions).
    """

    wording: str
    quiet: bool

    def __new__(cls, value: str, wording: str = "", quiet: bool = False) -> "AuditAction":
        action = str.__new__(cls, value)
        action._value_ = value
        action.wording = wording
        action.quiet = quiet
        return action


class CoreAction(AuditAction):
    PROJECT_CREATED = "project.created", "{actor} created the project"
    PROJECT_CHANGED = "project.changed", "{actor} changed the project's settings: {changed}"
    PROJECT_EXPORTED = "project.exported", "{actor} made an archive of the project, {what}"
    PROJECT_ARCHIVE_DOWNLOADED = "project_archive.downloaded", "{actor} downloaded an archive of the project"
    PROJECT_ARCHIVE_REMOVED = "project_archive.removed", "{actor} removed an archive of the project"
    PROJECT_ARCHIVE_EXPIRED = (
        "project_archive.expired",
        "An archive of the project was removed after {days} days",
    )
    PROJECT_IMPORT_STARTED = "project_import.started", "{actor} started the import of {label} as {slug}"
    PROJECT_IMPORTED = (
        "project.imported",
        "{actor} imported the project from an archive that {made_by} made",
    )
    MEMBER_ADDED = "member.added", "{actor} added {label} as {roles}"
    MEMBER_CHANGED = "member.changed", "{actor} changed the roles of {label} to {roles}"
    MEMBER_REMOVED = "member.removed", "{actor} removed {label} from the project"
    PERSON_CREATED = "person.created", "{actor} created an account for {label}"
    OPERATOR_CREATED = (
        "operator.created",
        "An account for the operator {label} was created on the command line",
    )
    PERSON_DEACTIVATED = "person.deactivated", "{actor} deactivated the account of {label}"
    PERSON_REACTIVATED = "person.reactivated", "{actor} activated the account of {label} again"
    SESSIONS_ENDED = "sessions.ended", "{actor} signed {label} out of every browser"
    PERSON_RENAMED = "person.renamed", "{was} is now called {label}"
    PASSWORD_CHANGED = "password.changed", "{actor} changed their password"
    PASSWORD_RESET = "password.reset", "{actor} gave {label} a new first password"
    PASSWORD_REISSUED = (
        "password.reissued",
        "{actor} gave {label} a new first password; the earlier one was not changed",
    )
    PASSWORD_SET = "password.set", "The password of {label} was set on the command line"
    API_KEY_TAKEN_AWAY = "api_key.taken_away", "{actor} revoked the key {api_key} of {label}"
    API_KEY_CREATED = "api_key.created", "{actor} created the key {label}"
    API_KEY_REVOKED = "api_key.revoked", "{actor} revoked the key {label}"
    RUN_LAUNCHED = "run.launched", "{actor} started {label}"
    RUN_SUCCEEDED = "run.succeeded", "{label} is done"
    RUN_FAILED = "run.failed", "{label} failed: {error}"
    RUN_CANCELLED = "run.cancelled", "{label} was cancelled"
    RUN_CANCEL_REQUESTED = "run.cancel_requested", "{actor} cancelled {label}"
    RUN_RETRIED = "run.retried", "{actor} started {label} again"
    RUN_RESUMED = "run.resumed", "{actor} resumed {label}, which was cancelled"
    RUN_HANDED_BACK = "run.handed_back", "{label} went back to the queue, because its worker was stopped"
    RUN_TAKEN_UP = "run.taken_up", "{label} lost its worker and waits for another"
