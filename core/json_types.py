"""Types of JSON values. A function that receives one tests it with isinstance before it uses it."""

from collections.abc import Mapping, Sequence

# What json.loads returns.
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
# What json.dumps takes: callers can pass any sequence or mapping.
JsonLike = None | bool | int | float | str | Sequence["JsonLike"] | Mapping[str, "JsonLike"]
