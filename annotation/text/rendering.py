"""How an example becomes the chat that a model sees. Training, serving and rating all use this, so that a model gets
prompts in the form that it was trained on."""

from typing import Any

Message = dict[str, str]


def chat_messages(*, messages: list[Any], context: list[str], system_prompt: str) -> list[Message]:
    """Returns the conversation as [{"role", "content"}], system message first.

    Texts are taken as they are, spaces and indentation included; only line breaks around the parts of the system message are removed.
    The system message is the project's prompt, a system message of the conversation itself if it has one,
    and the records, each on its own line. With none of these there is no system message, and the base
    model's own template decides what is used instead.
    """
    parts = [system_prompt.strip()]
    parts += [m["content"].strip("\n") for m in messages if m["role"] == "system"]
    records = [record.strip("\n") for record in context if record.strip()]
    if records:
        parts.append("Records:\n" + "\n".join(f"- {record}" for record in records))
    system = "\n\n".join(part for part in parts if part.strip())
    head: list[Message] = [{"role": "system", "content": system}] if system else []
    return head + [{"role": m["role"], "content": m["content"]} for m in messages if m["role"] != "system"]
