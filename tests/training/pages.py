"""What the tests of the pages of training share."""

import json

from django.urls import reverse


def url(world, name, *args):
    return reverse(f"training:{name}", args=[world.project.slug, *args])


PAGES = [
    ("home", lambda w: []),
    ("versions", lambda w: []),
    ("bases", lambda w: []),
    ("compare", lambda w: []),
    ("run", lambda w: [w.done.number]),
    ("run-live", lambda w: [w.running.number]),
    ("version", lambda w: [w.version.pk]),
    ("version-shares", lambda w: [w.version.pk]),
    ("base", lambda w: [w.base.pk]),
]


ADMIN_PAGES = [("launch", lambda w: []), ("version-download", lambda w: [w.version.pk])]


POSTS = [
    ("preflight", lambda w: []),
    ("version-check-tokens", lambda w: [w.version.pk]),
    ("version-check-files", lambda w: [w.version.pk]),
    ("version-shares-measure", lambda w: [w.version.pk]),
    ("version-share-store", lambda w: [w.version.pk]),
    ("base-retry", lambda w: [w.base.pk]),
    ("base-use", lambda w: [w.base.pk]),
]


def api(world, path):
    return f"/api/v1/projects/{world.project.slug}/{path}"


def post(client, address, values):
    return client.post(address, json.dumps(values), content_type="application/json")
