from django.db import migrations, models

# Which acceptances were given in bulk was known to the audit record alone.
IN_BULK = """
UPDATE annotation_review AS r SET in_bulk = true
FROM annotation_revision AS v, core_auditentry AS a
WHERE v.id = r.revision_id AND r.verdict = 'accepted' AND a.verb = 'example.approved'
  AND a.object_type = 'annotation.example' AND a.object_id = r.example_id::text AND a.actor_id = r.by_id
  AND a.detail @> '{"in_bulk": true}' AND (a.detail->>'revision')::int = v.number
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0002_draft_writer"),
        ("core", "0002_audit_append_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="review",
            name="in_bulk",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Accepted together with others, without opening it.",
            ),
        ),
        migrations.RunSQL(IN_BULK, migrations.RunSQL.noop),
    ]
