"""The runner of run kind "files_check": a version's stored files against their recorded hashes."""

from core.runs import RunContext
from core.storage import storage
from training import records
from training.models import ModelVersion


def run(ctx: RunContext) -> None:
    version = ModelVersion.objects.select_related("artifact", "project").get(pk=ctx.params["version"])
    ctx.report(message=f"Hashing {version.artifact.file_count} files.", now=True)
    wrong = storage().verify(version.artifact)
    ctx.check()
    records.note_files_checked(version=version, wrong=wrong)
