"""Receives files in pieces, so that a lost connection costs one piece and not the whole upload."""

import os
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotation.text.cleaning import clean_text
from core.errors import Conflict, Invalid
from core.models import Project, User
from core.text import one_line
from dataset.models import Upload

# An upload that nobody continues for this long is deleted.
KEPT = timedelta(days=7)
# Unfinished uploads of one person in one project.
MOST_OPEN = 10
MOST_PIECE = 8 * 1024 * 1024  # bytes


@transaction.atomic
def begin_upload(
    *, by: User, project: Project, file_name: str, size_bytes: int, fingerprint: str = ""
) -> Upload:
    """A new upload, or the person's unfinished one of the same file (same name, size and fingerprint).

    Raises Invalid for an empty or too large file, and when the person has MOST_OPEN unfinished uploads.
    """
    name = one_line(clean_text(file_name))[-200:] or "upload"
    if not 0 < size_bytes <= settings.IMPORT_MAX_BYTES:
        limit = settings.IMPORT_MAX_BYTES // (1 << 20)
        message = f"A file of 1 byte to {limit:,} MB can be uploaded."
        raise Invalid(message, "Choose another file, or divide it.", fields={"size_bytes": [message]})
    # One at a time for a person: a second tab that sends the same file gets the same upload.
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    own = Upload.objects.filter(project=project, by=by)
    same = own.filter(file_name=name, size_bytes=size_bytes, fingerprint=fingerprint[:100]).first()
    if same is not None and _bytes_there(same) >= same.received_bytes:
        return same
    if own.count() >= MOST_OPEN:
        raise Invalid(
            f"You have {MOST_OPEN} unfinished uploads.",
            "Finish one of them, or remove it on the page of imports.",
        )
    return Upload.objects.create(
        project=project, by=by, file_name=name, size_bytes=size_bytes, fingerprint=fingerprint[:100]
    )


def _bytes_there(upload: Upload) -> int:
    return upload.path.stat().st_size if upload.path.exists() else 0


@transaction.atomic
def receive_piece(*, by: User, upload: Upload, offset: int, piece: bytes) -> Upload:
    """Appends a piece that begins at `offset`. Conflict, with the number of bytes that are there, for another offset."""
    upload = Upload.objects.select_for_update().get(pk=upload.pk, by=by)
    if offset != upload.received_bytes:
        raise Conflict(
            f"The next piece must begin at byte {upload.received_bytes}; this one begins at {offset}.",
            "Ask how much has arrived, and continue there.",
        )
    if not piece or offset + len(piece) > upload.size_bytes:
        raise Invalid("The piece is empty or goes beyond the end of the file.", "Send the rest of the file.")
    upload.path.parent.mkdir(parents=True, exist_ok=True)
    with upload.path.open("ab") as file:
        # What a request wrote before it was killed is overwritten: only counted bytes are part of the file.
        file.truncate(offset)
        file.seek(0, os.SEEK_END)
        if file.tell() != offset:
            raise Conflict("The first part of this upload is gone.", "Remove the upload and start again.")
        file.write(piece)
    upload.received_bytes = offset + len(piece)
    upload.save(update_fields=["received_bytes", "touched_at"])
    return upload


def complete_path(upload: Upload) -> Path:
    """The path of the whole file. Raises Conflict while a part is missing."""
    if not upload.is_complete or _bytes_there(upload) != upload.size_bytes:
        raise Conflict("The upload is not complete.", "Continue it first.")
    return upload.path


def remove_upload(*, by: User | None, upload: Upload) -> None:
    """Deletes an upload and its bytes: it was used, or nobody wants it any more."""
    path = upload.path
    Upload.objects.filter(pk=upload.pk).delete()
    transaction.on_commit(lambda: path.unlink(missing_ok=True))


def sweep_uploads() -> int:
    """Deletes uploads that nobody continued for a week, and files without one. Returns their number."""
    old = list(Upload.objects.filter(touched_at__lt=timezone.now() - KEPT))
    for upload in old:
        remove_upload(by=None, upload=upload)
    removed = len(old)
    folder = Path(settings.RESUMABLE_DIR)
    if folder.is_dir():
        known = {str(public_id) for public_id in Upload.objects.values_list("public_id", flat=True)}
        for path in folder.iterdir():
            if path.name not in known and path.stat().st_mtime < (timezone.now() - KEPT).timestamp():
                path.unlink(missing_ok=True)
                removed += 1
    return removed
