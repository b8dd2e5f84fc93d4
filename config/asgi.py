"""The web process: pages, API, the OpenAI-compatible API and token streams."""

import os
import re
import tempfile
import warnings

from django.conf import settings
from django.core.asgi import get_asgi_application
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.host import env

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Removing a large import is the longest database work of a page.
env.own_default("GUILDHALL_DB_STATEMENT_SECONDS", "60")

# WhiteNoise's files are synchronous; Django reads them in a thread. That is meant so, and no news for who starts the program.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
django = get_asgi_application()

# They need the models, which are loaded here.
from core.http.limits import Limits, Rule
from dataset.services.uploads import MOST_PIECE
from inference.openai_api.shapes import MAX_BODY

# Django writes a large body to an unnamed file in the default folder, which may be small.
tempfile.tempdir = str(settings.UPLOAD_DIR)

# The form fields or the lines around the file of an import.
_AROUND = 1024 * 1024
RULES = (
    Rule(re.compile(r"/p/[^/]+/data/imports/new/$"), settings.IMPORT_MAX_BYTES + _AROUND),
    Rule(re.compile(r"/api/v1/projects/[^/]+/imports/$"), settings.IMPORT_MAX_BYTES + _AROUND),
    Rule(re.compile(r"/project-imports/new/$"), settings.ARCHIVE_MAX_BYTES + _AROUND),
    Rule(re.compile(r"/api/v1/project-imports/$"), settings.ARCHIVE_MAX_BYTES + _AROUND),
    Rule(re.compile(r"/api/v1/projects/[^/]+/uploads/[^/]+/$"), MOST_PIECE + _AROUND),
    Rule(re.compile(r"/v1/"), MAX_BODY),
)
# The client's address and scheme come from a request's headers only if a trusted proxy sent them. uvicorn itself is
# started with --no-proxy-headers, since it trusts everyone on loopback.
application = ProxyHeadersMiddleware(Limits(django, rules=RULES), trusted_hosts=settings.TRUSTED_PROXIES)  # type: ignore[arg-type]
