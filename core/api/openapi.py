"""The description of our keys in the API schema. Importing registers it (core/api_urls.py)."""

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class BrowserScheme(SessionScheme):
    target_class = "core.sign_in.authentication.SessionAuthentication"


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "core.sign_in.authentication.ApiKeyAuthentication"
    name = "api_key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A personal key from /me/keys/. It starts with gh_.",
        }
