"""What is wrong with an archive."""

from core.errors import Invalid


class BadArchive(Invalid):
    """The file cannot be imported: it is damaged, made by a newer version, or not an archive. Nothing was written."""

    code = "bad_archive"

    def __init__(self, message: str, advice: str = "Make a new archive and import that.") -> None:
        super().__init__(message, advice, fields={"file": [f"{message} {advice}".strip()]})
