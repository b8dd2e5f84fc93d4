"""A model version's files as one zip, made while it is sent."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from django.http import StreamingHttpResponse

from core.http.downloads import ZIP, attachment
from core.models import User
from core.storage import storage
from training.models import ModelVersion

CHUNK = 1024 * 1024


class _Pipe:
    """The object that zipfile writes to. It cannot seek, so only the part being sent is in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def zip_stream(folder: Path, names: list[str]) -> Iterator[bytes]:
    """A zip of `names` below `folder`, stored without compression: weights do not compress."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in names:
            # A fixed date, so that the same version always gives the same bytes.
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            with (folder / name).open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                while data := source.read(CHUNK):
                    target.write(data)
                    yield pipe.take()
    yield pipe.take()


def archive_response(version: ModelVersion, *, by: User, method: str | None) -> StreamingHttpResponse:
    artifact = version.artifact

    def pieces() -> Iterator[bytes]:
        return zip_stream(storage().local_path(artifact), [str(entry["path"]) for entry in artifact.manifest])

    return attachment(pieces, method=method, by=by, name=f"{version.served_name}.zip", content_type=ZIP)
