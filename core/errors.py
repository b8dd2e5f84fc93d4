"""Errors that people are meant to see: what happened, and what to do. Everything else is a bug and goes to the log."""


class ExpectedError(Exception):
    """Base of errors shown to people. `status` is the HTTP status that pages and API answer with."""

    status = 400
    code = "refused"

    def __init__(self, message: str, advice: str = "", *, retry_after: int = 0) -> None:
        """`retry_after`: seconds after which it is worth trying again, for the header of that name."""
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class Refused(ExpectedError):
    """The request is understood and cannot be carried out as it stands."""


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
    """A part of the system (engine, broker, database) does not answer at the moment."""

    status = 503
    code = "part_away"


class TooMany(ExpectedError):
    """The person has as many of these open as are allowed at once, or tried too often; the next one has to wait."""

    status = 429
    code = "too_many"


class StorageFull(ExpectedError):
    """There is no space left where something was to be written."""

    status = 507
    code = "storage_full"


class StorageReadOnly(ExpectedError):
    """What was to be written may not be: the disk is read-only, or belongs to somebody else."""

    status = 503
    code = "storage_read_only"


class StorageAway(ExpectedError):
    """The store (a bucket, a network disk) cannot be read or written at the moment."""

    status = 503
    code = "storage_away"


class TooLarge(ExpectedError):
    """More bytes than are taken at this address."""

    status = 413
    code = "request_too_large"


class TooManyFields(ExpectedError):
    code = "too_many_fields"


class Busy(ExpectedError):
    """The program has as much of this work as it can carry; the same request will do in a few seconds."""

    status = 503
    code = "busy"
