from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.audit.actions import CoreAction
from core.audit.entries import record
from core.models import Project
from core.moving.container import Container
from core.moving.writing import write_archive
from core.runs.context import RunFailed
from core.wording import counted, filesize


class Command(BaseCommand):
    help = "Writes an archive of a project to a file, for import_project of another installation."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the project's address: the last part of /p/.../")
        parser.add_argument("file", type=Path, help="the file to write; it must not exist")
        parser.add_argument(
            "--with-weights", action="store_true", help="with the files of models, which can be large"
        )

    def handle(self, *args: object, slug: str, file: Path, with_weights: bool, **options: object) -> None:
        project = Project.objects.filter(slug=slug).first()
        if project is None:
            raise CommandError(f"There is no project at /p/{slug}/.")
        if file.exists():
            raise CommandError(f"{file} exists already. Choose another file.")
        partial = file.with_name(f"{file.name}.partial")
        try:
            manifest = write_archive(
                project, partial, with_weights=with_weights, by=None, report=_say_nothing
            )
            with Container(partial) as container:
                container.verify()
            partial.replace(file)
        except RunFailed as error:
            raise CommandError(f"{error.message} {error.advice}".strip()) from None
        except OSError as error:
            raise CommandError(f"{file} could not be written: {error.strerror}.") from None
        finally:
            partial.unlink(missing_ok=True)
        what = "with weights" if with_weights else "without weights"
        record(by=None, project=project, action=CoreAction.PROJECT_EXPORTED, obj=project, what=what)
        size = filesize(file.stat().st_size)
        self.stdout.write(
            f"{project.name}, {what}: {counted(manifest.total_rows, 'row')}, {size}, in {file}."
        )


def _say_nothing(
    *, done: int | None = None, total: int | None = None, message: str | None = None, now: bool = False
) -> None: ...
