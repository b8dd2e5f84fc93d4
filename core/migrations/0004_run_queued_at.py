"""Since when a run waits. One that was started again waits since then, not since it was first asked for."""

import django.utils.timezone
from django.db import migrations, models
from django.db.models import F


def _as_created(apps, schema_editor):
    apps.get_model("core", "Run").objects.update(queued_at=F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("core", "0003_answers")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="queued_at",
            field=models.DateTimeField(
                default=django.utils.timezone.now, help_text="Since when it waits, or last waited."
            ),
        ),
        migrations.RunPython(_as_created, migrations.RunPython.noop),
    ]
