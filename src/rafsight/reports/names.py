"""Names in JSON: this module alone decides how bytes that are not UTF-8 stand there."""

import base64


def named(key: str, value: bytes) -> dict[str, str]:
    """Return what JSON says about bytes: text, and base64 under `KEY_b64` where they are not UTF-8."""
    try:
        return {key: value.decode()}
    except UnicodeDecodeError:
        return {key: value.decode("utf-8", "replace"), f"{key}_b64": base64.b64encode(value).decode()}
