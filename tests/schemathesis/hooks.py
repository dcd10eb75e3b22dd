"""What schemathesis does here beside what it does everywhere."""

import re
import time

import schemathesis

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID = re.compile(f"[0-7][{DIGITS}]{{25}}")
ADDRESS = re.compile("#?([A-Za-z0-9_-]{1,64})(@[A-Za-z0-9_-]{1,64})?")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives a good body what makes it one that is stored, where no schema can say that: an id of now, a person of here,
    words, no media."""
    body = case.body
    if not isinstance(body, dict):
        return
    if isinstance(body.get("id"), str) and ID.fullmatch(body["id"]):
        body["id"] = time_of_now() + body["id"][10:]
    if isinstance(body.get("to"), str) and (address := ADDRESS.fullmatch(body["to"])):
        body["to"] = address[1]
    content = body.get("content")
    message = content.get("message") if isinstance(content, dict) else None
    if not isinstance(message, dict):
        return
    if message.get("text") in (None, "") and message.get("data") in (None, ""):
        message["text"] = "hi"
    attachments = message.get("attachments")
    if isinstance(attachments, list) and all(isinstance(media, str) for media in attachments):
        message["attachments"] = []


def time_of_now():
    """The first part of a ULID."""
    millis, text = int(time.time() * 1000), ""
    for _ in range(10):
        millis, digit = divmod(millis, 32)
        text = DIGITS[digit] + text
    return text
