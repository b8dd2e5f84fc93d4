"""Errors for people: what happened, and what to do. All other errors are bugs and go to the log."""


class ExpectedError(Exception):
    """Base of errors shown to people. `status` is the HTTP status that pages and API answer with."""

    status = 400
    code = "refused"

    def __init__(self, message: str, advice: str = "", *, retry_after: int = 0) -> None:
        """`retry_after`: seconds after which to try again, for the header of that name."""
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.retry_after = retry_after
        # Whether the text that was refused is saved as a draft (core.services.drafts.kept_if_refused).
        self.draft_kept = False

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class Refused(ExpectedError):
    """The request is understood but cannot be done in this form."""


class Invalid(ExpectedError):
    """Values a person gave are wrong; `fields` maps a field's name to its messages."""

    status = 422
    code = "invalid"

    def __init__(
        self,
        message: str,
        advice: str = "",
        *,
        fields: dict[str, list[str]] | None = None,
    ) -> None:
        super().__init__(message, advice)
        self.fields = fields or {}


class Conflict(ExpectedError):
    """Somebody or something changed the object first; nothing was written."""

    status = 409
    code = "conflict"


class OtherPerson(Conflict):
    """The page was made for one person, and another is signed in in this browser now."""

    code = "other_person"


class PartAway(ExpectedError):
    """A part of the system (engine, broker, database) is offline."""

    status = 503
    code = "part_away"


class TooMany(ExpectedError):
    """The person has too many of these open at a time, or tried too often; the next one must wait."""

    status = 429
    code = "too_many"


class StorageFull(ExpectedError):
    """The disk is full."""

    status = 507
    code = "storage_full"


class StorageReadOnly(ExpectedError):
    """The disk is read-only, or belongs to another user."""

    status = 503
    code = "storage_read_only"


class StorageAway(ExpectedError):
    """The store (a bucket, a network disk) cannot be read or written now."""

    status = 503
    code = "storage_away"


class TooLarge(ExpectedError):
    """More bytes than this address accepts."""

    status = 413
    code = "request_too_large"


class TooManyFields(ExpectedError):
    code = "too_many_fields"


class Busy(ExpectedError):
    """The program has too much of this work now; the same request works in a few seconds."""

    status = 503
    code = "busy"
