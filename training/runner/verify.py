"""The runner of run kind "files_check": a version's stored files against their recorded hashes."""

from core.runs.context import RunContext, RunFailed
from core.storage import storage
from core.wording import counted
from training.models import ModelVersion
from training.services import results


def run(ctx: RunContext) -> None:
    version = ModelVersion.objects.select_related("artifact", "project").get(files_check=ctx.run)
    artifact = version.artifact
    words = f"Reading and hashing {counted(artifact.file_count, 'file')}."
    ctx.report(done=0, total=artifact.size_bytes, message=words, now=True)
    read = 0

    def progress(count: int) -> None:
        nonlocal read
        read += count
        ctx.report(done=min(read, artifact.size_bytes))

    try:
        wrong = storage().verify(artifact, progress)
    except OSError as error:
        raise RunFailed(
            "store_away",
            "The artifact store could not be read, so the files could not be checked.",
            "Try again when the store is available. The worker's log has the error.",
        ) from error
    ctx.check()
    results.note_files_checked(version=version, wrong=wrong)
