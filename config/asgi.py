"""The web process: pages, API, the OpenAI-compatible API and token streams."""

import os
import re
import tempfile

from django.conf import settings
from django.core.asgi import get_asgi_application
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.host import env

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Removing a large import is the longest that a page asks of the database.
env.own_default("GUILDHALL_DB_STATEMENT_SECONDS", "60")

django = get_asgi_application()

# They need the models, which are there only now.
from core.http.limits import Limits, Rule
from inference.openai_api.shapes import MAX_BODY

# Django keeps a body that arrives in a file without a name in the default folder, which may be small.
tempfile.tempdir = str(settings.UPLOAD_DIR)

# The form or the lines around the file of an import.
_AROUND = 1024 * 1024
RULES = (
    Rule(re.compile(r"/p/[^/]+/data/imports/new/$"), settings.IMPORT_MAX_BYTES + _AROUND),
    Rule(re.compile(r"/api/v1/projects/[^/]+/imports/$"), settings.IMPORT_MAX_BYTES + _AROUND),
    Rule(re.compile(r"/v1/"), MAX_BODY),
)
# Who is at the other end, and over which scheme, is taken from a request's headers only where a trusted proxy sent it;
# uvicorn itself is started with --no-proxy-headers, because it believes everybody on loopback.
application = ProxyHeadersMiddleware(Limits(django, rules=RULES), trusted_hosts=settings.TRUSTED_PROXIES)  # type: ignore[arg-type]
