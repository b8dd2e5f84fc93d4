"""Base models know the tokens that begin and end their turns. For those prepared before, they are read from the tokenizer."""

import json

from django.db import migrations, models


def read_tokens(apps, schema_editor):
    from core.storage import storage

    for base in apps.get_model("training", "BaseModel").objects.filter(status="ready"):
        try:
            folder = storage().local_path(base.artifact)
            added = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
            tokens = sorted(
                {token["content"] for token in added if token["special"] and token["content"].strip()}
            )
        except Exception:  # noqa: BLE001, S112 - files that cannot be reached now: the marks of common templates stay refused
            continue
        apps.get_model("training", "BaseModel").objects.filter(pk=base.pk).update(control_tokens=tokens)


class Migration(migrations.Migration):
    dependencies = [("training", "0004_checkpoint_step"), ("core", "0003_answers")]

    operations = [
        migrations.AddField(
            model_name="basemodel",
            name="control_tokens",
            field=models.JSONField(
                default=list,
                help_text="What begins or ends turns in its chat template; no text of people may hold it.",
            ),
        ),
        migrations.RunPython(read_tokens, migrations.RunPython.noop),
    ]
