"""How each model version is served: adapters beside their base model, the rest by an engine of its own."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("training", "ModelVersion").objects.filter(kind="adapter").update(serving="adapter")


class Migration(migrations.Migration):
    dependencies = [("training", "0003_learning_curves")]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="serving",
            field=models.CharField(
                choices=[
                    ("whole", "by its own engine"),
                    ("adapter", "as adapter in vLLM"),
                    ("prompt_embeds", "as prompt embeddings in vLLM"),
                    ("transformers", "by the transformers engine"),
                ],
                default="whole",
                help_text="How engines serve it.",
                max_length=14,
            ),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="kind",
            field=models.CharField(
                choices=[("base", "Base model"), ("adapter", "Adapter"), ("full", "Full weights")],
                max_length=8,
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind", "adapter"), ("serving__in", ["adapter", "prompt_embeds", "transformers"])
                )
                | (~models.Q(("kind", "adapter")) & models.Q(("serving__in", ["whole", "transformers"]))),
                name="version_serving",
            ),
        ),
    ]
