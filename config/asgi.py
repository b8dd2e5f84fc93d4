"""The web process: pages, API, the OpenAI-compatible door and token streams."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Who is at the other end, and over which scheme, is taken from a request's headers only where a trusted proxy sent it;
# uvicorn itself is started with --no-proxy-headers, because it believes everybody on loopback.
application = ProxyHeadersMiddleware(get_asgi_application(), trusted_hosts=settings.TRUSTED_PROXIES)  # type: ignore[arg-type]
