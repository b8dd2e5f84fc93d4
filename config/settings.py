"""All settings in one file, typed, read from the environment. A wrong value stops the program with one sentence.

docs/reference/settings.md lists the variables. Production (GUILDHALL_ENV=production) refuses a default
secret, debug and wildcard hosts.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from core.host import env
from core.host.sockets import own_state_dir
from launcher import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = env.choice("GUILDHALL_ENV", ("development", "production", "test"), "development")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.flag("GUILDHALL_DEBUG", default=False)
# Files of this program (logs, uploads, sockets, databases) are for its own user only.
os.umask(0o077)
STATE_DIR = env.own_folder("GUILDHALL_STATE", BASE_DIR / ".state")
try:
    own_state_dir(STATE_DIR)
except PermissionError as error:
    raise env.WrongSetting(f"GUILDHALL_STATE: {error}") from None

# --- secrets and hosts -------------------------------------------------------------------------------------
DEVELOPMENT_SECRET = "development-only-secret-never-for-production"  # noqa: S105
SECRET_KEY = env.text("GUILDHALL_SECRET_KEY", DEVELOPMENT_SECRET)
HOST = env.host("GUILDHALL_HOST", "127.0.0.1")
PORT = env.number("GUILDHALL_PORT", 8000, least=1, most=65535)
if PRODUCTION:
    # A leading dot is Django's other wildcard.
    named = env.items("GUILDHALL_ALLOWED_HOSTS")
    if not named or any("*" in host or host.startswith(".") for host in named):
        raise env.WrongSetting("GUILDHALL_ALLOWED_HOSTS must list the hosts in production; '*' is refused.")
ALLOWED_HOSTS = env.hosts("GUILDHALL_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.origins("GUILDHALL_TRUSTED_ORIGINS")
# X-Forwarded-For and X-Forwarded-Proto are trusted only from these addresses (config/asgi.py).
TRUSTED_PROXIES = env.networks("GUILDHALL_TRUSTED_PROXIES")
env.gone(
    "GUILDHALL_BEHIND_PROXY",
    "list the addresses of your proxies in GUILDHALL_TRUSTED_PROXIES instead, and remove it.",
)


def _is_weak(secret: str) -> bool:
    """Too short, only a few different letters, or one repeated text: 40 times "a" is not a secret."""
    return len(secret) < 32 or len(set(secret)) < 10 or secret in (secret + secret)[1:-1]


if DEVELOPMENT_SECRET != SECRET_KEY and _is_weak(SECRET_KEY):
    raise env.WrongSetting(
        "GUILDHALL_SECRET_KEY must be set to at least 32 random characters; make some with "
        "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'."
    )
if PRODUCTION:
    if DEVELOPMENT_SECRET == SECRET_KEY:
        raise env.WrongSetting(
            "GUILDHALL_SECRET_KEY must be set to at least 32 random characters in production."
        )
    if DEBUG:
        raise env.WrongSetting("GUILDHALL_DEBUG must be off in production.")
if SECRET_KEY == DEVELOPMENT_SECRET and HOST not in {"127.0.0.1", "localhost", "::1"}:
    raise env.WrongSetting(
        f"GUILDHALL_HOST={HOST} makes this program reachable for others; set GUILDHALL_SECRET_KEY to 32 random characters first."
    )

# --- applications ------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    # Before Django's own apps: its commands createsuperuser and changepassword replace theirs.
    "core",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "annotation",
    "dataset",
    "training",
    "inference",
    "evaluation",
    "release",
    "config",
]
MIDDLEWARE = [
    "core.http.middleware.ReleaseMiddleware",
    "core.http.middleware.PartAwayMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.http.middleware.NoStoreMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Every page needs a sign-in with an own password, unless its view allows others.
    "core.http.middleware.SignedInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "core.http.middleware.ExpectedErrorMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
FORM_RENDERER = "core.form_rendering.AutoDirection"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "builtins": [
                "core.templatetags.guildhall",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.http.context.furniture",
            ],
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ]
            if not DEBUG
            else [
                "django.template.loaders.filesystem.Loader",
                "django.template.loaders.app_directories.Loader",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- PostgreSQL and Redis ----------------------------------------------------------------------------------
DATABASE_URL = env.text("DATABASE_URL") or embedded.database_url(STATE_DIR)
REDIS_URL = env.text("REDIS_URL") or embedded.redis_url(STATE_DIR)


# The web process stops a longer statement, lock waits included: nobody waits that long for a page, and connections are
# few. Workers (0) have no limit. config/asgi.py sets it for the web process.
DB_STATEMENT_SECONDS = env.number("GUILDHALL_DB_STATEMENT_SECONDS", 0, least=0, most=3600)


def _options(options: str) -> dict[str, str]:
    limit = f"-c statement_timeout={DB_STATEMENT_SECONDS}s" if DB_STATEMENT_SECONDS else ""
    words = f"{options} {limit}".strip()
    return {"options": words} if words else {}


_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _database(url: str) -> dict[str, Any]:
    if not url.startswith(("postgres://", "postgresql://")):
        raise env.WrongSetting(
            "DATABASE_URL must start with postgresql:// (PostgreSQL is the only database)."
        )
    # Without the value and without psycopg's message: both contain the password.
    not_understood = env.WrongSetting(
        "DATABASE_URL is not a valid PostgreSQL URL; write postgresql://user:password@host:port/name."
    )
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        raise not_understood from None
    ports = [port for port in str(parts.get("port") or "").split(",") if port]
    if not all(port.isascii() and port.isdecimal() and 0 < int(port) < 65536 for port in ports):
        raise not_understood
    timeout = str(parts.get("connect_timeout", "0"))
    if not (timeout.isascii() and timeout.isdecimal()) or parts.get("sslmode", "prefer") not in _SSL_MODES:
        raise not_understood
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "guildhall"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "CONN_HEALTH_CHECKS": True,
        # Under ASGI each request has its own thread, so connections are pooled per process, not per thread.
        "OPTIONS": {
            **parts,
            **_options(str(parts.get("options") or "")),
            "pool": {
                "min_size": 1,
                "max_size": env.number("GUILDHALL_DB_POOL", 10, least=1, most=1000),
                "timeout": 5,
            },
        },
    }


DATABASES = {"default": _database(DATABASE_URL)}


def _broker(url: str) -> str:
    """Celery and redis-py name a Unix socket and its database differently; other addresses are the same."""
    # Without the value: it may contain a password.
    not_understood = env.WrongSetting(
        "REDIS_URL must start with redis://, rediss:// or unix:// and have a server: redis://:password@host:6379/0."
    )
    try:
        parts = urlsplit(url)
    except ValueError:
        raise not_understood from None
    number = (
        parse_qs(parts.query).get("db", ["0"])[0] if parts.scheme == "unix" else parts.path.strip("/") or "0"
    )
    if not (number.isascii() and number.isdecimal()):
        raise not_understood
    if parts.scheme == "unix" and parts.path.strip("/"):
        return f"redis+socket://{parts.path}?virtual_host={number}"
    if parts.scheme not in {"redis", "rediss"} or env.split_url(url) is None:
        raise not_understood
    return url


CACHES = {
    "default": {
        "BACKEND": "core.host.valkey.Cache",
        "LOCATION": REDIS_URL,
        # The same as core.host.valkey.ANSWER_SECONDS, which cannot be imported here.
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

# --- Celery ------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = _broker(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_ALWAYS_EAGER = False
# Kilobytes. A worker's process that once held more (a model was loaded to look at it) ends after its task, and a fresh one takes
# the next: memory that was used once does not come back otherwise.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300_000
# LOGGING below is for workers too.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# A run is claimed in the database, so a message delivered twice does nothing; the timeout can be long.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 12 * 3600,
    "socket_connect_timeout": 3,
    # Without it a page that starts a background job would wait without end for a broker that hangs. It is more than one
    # second, since a worker's request for work may wait that long.
    "socket_timeout": 3,
}
CELERY_TASK_PUBLISH_RETRY = False
RUN_HEARTBEAT_SECONDS = env.number("GUILDHALL_RUN_HEARTBEAT", 5, least=1, most=3600)
RUN_STALE_SECONDS = env.number("GUILDHALL_RUN_STALE", 30, least=2, most=24 * 3600)
if RUN_STALE_SECONDS < 2 * RUN_HEARTBEAT_SECONDS:
    raise env.WrongSetting(
        f"GUILDHALL_RUN_STALE={RUN_STALE_SECONDS} is less than twice GUILDHALL_RUN_HEARTBEAT={RUN_HEARTBEAT_SECONDS}, so "
        "working runs would count as dead; raise it."
    )
CELERY_BEAT_SCHEDULE = {
    "sweep-runs": {"task": "core.tasks.sweep_runs", "schedule": 10.0},
    "sweep-deliveries": {"task": "core.tasks.sweep_deliveries", "schedule": 15.0},
    "beat-alive": {
        "task": "core.tasks.note_alive",
        "schedule": 15.0,
        "args": ("beat",),
    },
    "sweep-scratch": {"task": "core.tasks.sweep_scratch", "schedule": 300.0},
    "sweep-archives": {"task": "core.tasks.sweep_archives", "schedule": 3600.0},
    "sweep-uploads": {"task": "dataset.tasks.sweep_uploads", "schedule": 3600.0},
    "expire-leases": {"task": "annotation.tasks.expire_leases", "schedule": 60.0},
    "sweep-counts": {"task": "annotation.tasks.sweep_counts", "schedule": 30.0},
    "sweep-search": {"task": "annotation.tasks.sweep_search", "schedule": 15.0},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(STATE_DIR / "run" / "celerybeat-schedule")

# --- people, sessions, security ----------------------------------------------------------------------------
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = ["core.sign_in.hashers.BoundedArgon2PasswordHasher"]
# Each takes 100 MB and a core for a tenth of a second; others wait and get 503 after a few seconds.
HASHES_AT_ONCE = env.number("GUILDHALL_HASHES_AT_ONCE", 2, least=1, most=64)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "core:sign-in"
LOGIN_REDIRECT_URL = "core:start"
LOGOUT_REDIRECT_URL = "core:sign-in"
# Axes would look for our USERNAME_FIELD (email) in the credentials, which Django calls username, and would count
# nothing.
AXES_USERNAME_FORM_FIELD = "username"
# docs/decisions/sign-in.md explains what is counted.
SIGN_IN_TRIES = env.number("GUILDHALL_SIGN_IN_TRIES", 8, least=1, most=1000)
SIGN_IN_TRIES_PER_NETWORK = env.number("GUILDHALL_SIGN_IN_TRIES_PER_NETWORK", 30, least=1, most=100_000)
API_KEY_TRIES_PER_NETWORK = 100
AXES_FAILURE_LIMIT = "core.sign_in.attempts.axes_limit"
AXES_USERNAME_CALLABLE = "core.sign_in.attempts.axes_name"
AXES_CLIENT_IP_CALLABLE = "core.sign_in.attempts.axes_network"
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "core/locked_out.html"
AXES_ENABLE_ADMIN = False
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
HTTPS = env.flag("GUILDHALL_HTTPS", default=PRODUCTION)
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_FAILURE_VIEW = "core.views.errors.csrf_failed"
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if HTTPS else 0
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
# For any body except an import's file; core.http.limits enforces it before Django reads the body.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 2
IMPORT_MAX_BYTES = env.number("GUILDHALL_IMPORT_MAX_MB", 512, least=1, most=1024 * 1024) * 1024 * 1024
# A project archive with weights can be large; the command import_project has no limit.
ARCHIVE_MAX_BYTES = env.number("GUILDHALL_ARCHIVE_MAX_MB", 8192, least=1, most=1024 * 1024) * 1024 * 1024
IMPORT_MAX_LINE_BYTES = 1024 * 1024
UPLOAD_DIR = STATE_DIR / "tmp"
RESUMABLE_DIR = STATE_DIR / "uploads"  # uploads that arrive in pieces; shared by all web hosts
FILE_UPLOAD_TEMP_DIR = str(UPLOAD_DIR)
FILE_UPLOAD_HANDLERS = ["core.host.scratch.HeldUploadHandler"]

# --- API ---------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "core.sign_in.authentication.ApiKeyAuthentication",
        "core.sign_in.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "core.api.pagination.Pages",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": [],
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.Schema",
    "DEFAULT_METADATA_CLASS": "core.api.metadata.AllowedMethods",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "core.api.parsing.JSONParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "EXCEPTION_HANDLER": "core.api.errors.exception_handler",
    # "?format=" would be an undocumented parameter.
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Guildhall",
    "DESCRIPTION": "Human-in-the-loop training of language models: all actions of the pages, for programs.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1(/projects/\{slug\})?",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.examples_in_schema.with_examples",
        "core.api.examples_in_schema.with_applications",
    ],
    # Otherwise fields of the same name with different choices would get a hash as name.
    "ENUM_NAME_OVERRIDES": {
        "AnswerPurposeEnum": "inference.models.Answer.Purpose",
        "AnswerStatusEnum": "inference.models.Answer.Status",
        "ModelVersionStatusEnum": "training.models.ModelVersion.Status",
        "ModelVersionKindEnum": "training.models.ModelVersion.Kind",
        "BaseModelKindEnum": "training.models.BaseModel.Kind",
        "ExampleStatusEnum": "annotation.models.Example.Status",
        "OriginEnum": "annotation.models.Example.Origin",
        "CategoryKindEnum": "annotation.models.Category.Kind",
        "LeasePurposeEnum": "annotation.models.Lease.Purpose",
        "OutcomeEnum": "annotation.models.Lease.Outcome",
        "SplitEnum": "dataset.models.GroupSplit.Split",
        "CampaignSplitEnum": "evaluation.models.Campaign.Split",
        "DuplicateKindEnum": "dataset.models.DuplicateCluster.Kind",
        "DuplicateStatusEnum": "dataset.models.DuplicateCluster.Status",
        "DuplicateOutcomeEnum": "dataset.models.DuplicateCluster.Outcome",
        "AuditFindingStatusEnum": "dataset.models.AuditFinding.Status",
        "AuditDecisionEnum": "dataset.models.AuditDecision.Decision",
        "TwinStatusEnum": "dataset.models.Twin.Status",
        "FindingLevelEnum": "dataset.models.RowFinding.Level",
        "LevelEnum": [("ok", "ok"), ("warn", "warn"), ("bad", "bad")],
        "WeightCheckOutcomeEnum": "inference.models.WeightCheck.Outcome",
    },
}

# --- artifacts, models, engines ----------------------------------------------------------------------------
ARTIFACT_STORE = env.choice("GUILDHALL_ARTIFACTS", ("folder", "s3"), "folder")
ARTIFACT_DIR = STATE_DIR / "artifacts"
ARTIFACT_CACHE_DIR = STATE_DIR / "artifact-cache"
ARTIFACT_S3_BUCKET = env.matching(
    "GUILDHALL_S3_BUCKET",
    "",
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "a bucket's name (3 to 63 lower-case letters, digits, dots and hyphens)",
)
ARTIFACT_S3_ENDPOINT = env.url("GUILDHALL_S3_ENDPOINT")
ARTIFACT_S3_PREFIX = env.matching(
    "GUILDHALL_S3_PREFIX",
    "guildhall/",
    r"(?!.*\.\.)[A-Za-z0-9_.-][A-Za-z0-9_./-]{0,198}/",
    "a key prefix that ends with a slash (guildhall/)",
)
if ARTIFACT_STORE == "s3" and not ARTIFACT_S3_BUCKET:
    raise env.WrongSetting("GUILDHALL_ARTIFACTS=s3 needs a bucket; set it in GUILDHALL_S3_BUCKET.")
MODEL_DIR = STATE_DIR / "models"
MODEL_FOLDERS = env.folders("GUILDHALL_MODEL_FOLDERS")
ENGINE_URLS = env.urls("GUILDHALL_ENGINE_URLS")
# The host name of locally started engines for other processes. With loopback they listen only there; with another name
# (containers) on every address of their own network.
ENGINE_HOST = env.host("GUILDHALL_ENGINE_HOST", "127.0.0.1")
ENGINE_LISTEN = ENGINE_HOST if ENGINE_HOST in {"127.0.0.1", "::1", "localhost"} else "0.0.0.0"  # noqa: S104
ENGINE_HOST = f"[{ENGINE_HOST}]" if ":" in ENGINE_HOST else ENGINE_HOST
ENGINE_PORTS_FROM = env.number("GUILDHALL_ENGINE_PORTS_FROM", 8101, least=1024, most=65000)
ENGINE_KV_CACHE_GIB = env.number("GUILDHALL_ENGINE_KV_GIB", 2, least=1, most=1024)
# Of one GPU's memory, for each engine: several engines and a training run may share it.
ENGINE_GPU_PERCENT = env.number("GUILDHALL_ENGINE_GPU_PERCENT", 35, least=5, most=95)
# Adapters that one engine has at once; on a CPU it gets more slots than that (see inference/engines/vllm.py).
ENGINE_MAX_LORAS = env.number("GUILDHALL_ENGINE_MAX_LORAS", 4, least=1, most=256)
ENGINE_MAX_LORA_RANK = env.number("GUILDHALL_ENGINE_MAX_LORA_RANK", 64, least=1, most=512)
ENGINE_MAX_MODEL_LEN = env.number("GUILDHALL_ENGINE_MAX_MODEL_LEN", 2048, least=128, most=1_000_000)
ENGINE_MAX_FULL = env.number("GUILDHALL_ENGINE_MAX_FULL", 1, least=0, most=64)
# Each has a base model's weights in memory, beside those in vLLM.
ENGINE_MAX_TRANSFORMERS = env.number("GUILDHALL_ENGINE_MAX_TRANSFORMERS", 1, least=0, most=64)
# Measuring takes minutes of the worker that trains; without it, a person asks for it on the version's page.
MEASURE_FORGETTING = env.flag("GUILDHALL_MEASURE_FORGETTING", default=True)
TRAINING_THREADS = env.number("GUILDHALL_TRAINING_THREADS", 0, least=0, most=4096)
# Processes that train one run together on each host: 0 is one for each visible GPU, and one without.
TRAINING_PROCESSES = env.number("GUILDHALL_TRAINING_PROCESSES", 0, least=0, most=64)
TRAINING_HOSTS = env.number("GUILDHALL_TRAINING_HOSTS", 1, least=1, most=64)
# Where the processes of several hosts find each other: a name of the worker's host that the others know, and a free port.
TRAINING_RENDEZVOUS = env.matching(
    "GUILDHALL_TRAINING_RENDEZVOUS",
    "127.0.0.1:29400",
    r"[A-Za-z0-9.-]{1,253}:(102[4-9]|10[3-9][0-9]|1[1-9][0-9]{2}|[2-9][0-9]{3}|[1-5][0-9]{4}|6[0-4][0-9]{3})",
    "a host and a port from 1024 to 64999 (10.0.0.4:29400)",
)
# Read by the Procfile and the container files; checked here so that a wrong value is reported before anything starts.
WEB_PROCESSES = env.number("GUILDHALL_WEB_PROCESSES", 1, least=1, most=256)
WORKER_CONCURRENCY = env.number("GUILDHALL_WORKER_CONCURRENCY", 2, least=1, most=256)
# The demo project, made at the start.
DEMO = env.flag("GUILDHALL_DEMO", default=not PRODUCTION)

# --- the rest ----------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.time_zone("GUILDHALL_TIME_ZONE", "UTC")
USE_TZ = True
USE_I18N = True
STATIC_URL = "static/"
STATIC_ROOT = env.own_folder("GUILDHALL_STATIC", STATE_DIR / "static", write=False)
# Collected when the image is built, by root, and read by another user.
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o755
STATICFILES_DIRS = [BASE_DIR / "static"]
# Without DEBUG files are served by WhiteNoise straight from static/, so a first start needs no collecting;
# containers collect at build time and set GUILDHALL_COLLECTED.
WHITENOISE_USE_FINDERS = not env.flag("GUILDHALL_COLLECTED")
# Changes of a style sheet should be visible without a restart.
WHITENOISE_AUTOREFRESH = ENVIRONMENT == "development"
LOG_LEVEL = env.choice("GUILDHALL_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "axes": {"level": "WARNING"},
        # Two lines for every sweep, several a minute; failures are logged at ERROR anyway.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
