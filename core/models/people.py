"""People, projects and roles."""

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

MOST_TEMPERATURE = 2  # the limit of OpenAI's API; above it a model writes noise
LONGEST_PASSWORD = 1000  # letters; a longer text is not a real password
MOST_TOKENS = 8192  # of one answer; an engine stops earlier at the end of its context
LEAST_EXAMPLE_TOKENS, MOST_EXAMPLE_TOKENS = (
    16,
    1_000_000,
)  # of one example; no base model has a longer context


class Role(models.TextChoices):
    ANNOTATOR = "annotator", "Annotator"
    REVIEWER = "reviewer", "Reviewer"
    RATER = "rater", "Rater"
    ADMIN = "admin", "Admin"
    VIEWER = "viewer", "Viewer"
    # Somebody of outside, who sees only the sources that an admin has given them. It is held alone.
    PARTNER = "partner", "Partner"


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        """Creates a person. Without a password the account cannot sign in until an admin sets one."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, **fields: object) -> "User":
        """Django's name for it. Only the command create_operator creates such accounts, so that it is audited."""
        raise TypeError("Create operators with `manage.py create_operator`.")

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """A person. E-mail addresses are stored in lower case and are the sign-in name."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the system"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)
    is_operator = models.BooleanField(
        default=False,
        help_text="Runs this installation: creates projects and registers base models.",
    )
    theme = models.CharField(max_length=8, choices=Theme.choices, default=Theme.SYSTEM)
    # Set while the account has a first password that its owner has not changed yet.
    must_change_password = models.BooleanField(default=False)
    # A part of the session check: adding one ends every session of the account.
    session_round = models.PositiveIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(name="user_email_lower", condition=models.Q(email=Lower("email"))),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """A session is valid while the password and `session_round` do not change. Round 0 gives Django's own value."""
        if not self.session_round:
            return super()._get_session_auth_hash(secret)  # type: ignore[misc]  # the stubs do not know it
        key_salt = "core.models.User.get_session_auth_hash"
        return salted_hmac(
            key_salt, f"{self.password}:{self.session_round}", secret=secret, algorithm="sha256"
        ).hexdigest()


class Project(models.Model):
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    guideline = models.TextField(blank=True, help_text="How to write a good answer. Markdown.")
    system_prompt = models.TextField(
        blank=True,
        help_text="It is put before every conversation, in training and in serving.",
    )
    lease_minutes = models.PositiveSmallIntegerField(default=30)
    # The sampling of answers when a request, a chat or a campaign has no other values.
    temperature = models.FloatField(
        default=0.2, db_default=0.2, validators=[MinValueValidator(0), MaxValueValidator(MOST_TEMPERATURE)]
    )
    # How the checks read the examples.
    checks_off = ArrayField(models.CharField(max_length=20), default=list, blank=True, db_default=[])
    languages = ArrayField(models.CharField(max_length=3), default=list, blank=True, db_default=[])
    most_example_tokens = models.PositiveIntegerField(
        default=2048,
        db_default=2048,
        validators=[MinValueValidator(LEAST_EXAMPLE_TOKENS), MaxValueValidator(MOST_EXAMPLE_TOKENS)],
    )
    max_tokens = models.PositiveIntegerField(
        default=512, db_default=512, validators=[MinValueValidator(1), MaxValueValidator(MOST_TOKENS)]
    )
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    members = models.ManyToManyField(User, through="Membership", related_name="projects")

    class Meta:
        ordering = ["name"]
        constraints = [
            # Two addresses that differ only in case look the same.
            models.UniqueConstraint(Lower("slug"), name="project_slug_any_case"),
            models.CheckConstraint(
                name="project_lease_minutes",
                condition=models.Q(lease_minutes__gte=1, lease_minutes__lte=480),
            ),
            models.CheckConstraint(
                name="project_temperature",
                condition=models.Q(temperature__gte=0, temperature__lte=MOST_TEMPERATURE),
            ),
            models.CheckConstraint(
                name="project_max_tokens",
                condition=models.Q(max_tokens__gte=1, max_tokens__lte=MOST_TOKENS),
            ),
            models.CheckConstraint(
                name="project_most_example_tokens",
                condition=models.Q(
                    most_example_tokens__gte=LEAST_EXAMPLE_TOKENS,
                    most_example_tokens__lte=MOST_EXAMPLE_TOKENS,
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    roles = ArrayField(models.CharField(max_length=12, choices=Role.choices))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["user__name"]
        constraints = [
            models.UniqueConstraint(name="membership_once", fields=["project", "user"]),
            models.CheckConstraint(
                name="membership_roles",
                condition=models.Q(roles__contained_by=list(Role.values)) & models.Q(roles__len__gt=0),
            ),
            # Another role would show a partner the work of everybody.
            models.CheckConstraint(
                name="membership_partner_alone",
                condition=~models.Q(roles__contains=["partner"]) | models.Q(roles=["partner"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"

    @property
    def role_labels(self) -> list[str]:
        return [Role(role).label for role in Role.values if role in self.roles]


class ApiKey(models.Model):
    """An API key: a personal key (API) or a project's application key (OpenAI-compatible API).

    Only the SHA-256 digest is stored. Keys have 256 random bits, so a fast hash is enough.
    """

    class Kind(models.TextChoices):
        PERSONAL = "personal", "Personal key"
        APPLICATION = "application", "Application key"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    user = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.CASCADE, related_name="personal_keys"
    )
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="application_keys"
    )
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="api_key_belongs",
                condition=models.Q(kind="personal", user__isnull=False, project__isnull=True)
                | models.Q(kind="application", user__isnull=True, project__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
