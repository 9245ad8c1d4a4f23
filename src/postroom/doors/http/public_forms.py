"""The small forms that are posted to a public address, in both encodings that RFC 8058 3.1 allows."""

from urllib.parse import parse_qsl

MOST_BYTES = 16 * 1024
_MOST_FIELDS = 20


def form_fields(content_type: bytes, body: bytes) -> dict[str, str]:
    """Return the fields of `application/x-www-form-urlencoded` or `multipart/form-data` (RFC 7578).

    Any bytes are allowed. What is no form has no fields; of a name that stands
    twice the first counts.
    """
    kind, _, parameters = content_type.partition(b";")
    if kind.strip().lower() == b"multipart/form-data":
        pairs = _multipart(_boundary(parameters), body)
    else:
        try:
            pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            return {}
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields


def _boundary(parameters: bytes) -> bytes:
    for parameter in parameters.split(b";"):
        name, _, value = parameter.strip().partition(b"=")
        if name.strip().lower() == b"boundary":
            return value.strip().strip(b'"')
    return b""


def _multipart(boundary: bytes, body: bytes) -> list[tuple[str, str]]:
    if not boundary:
        return []
    pairs = []
    # The text before the first delimiter is a preamble; `--` behind one ends the form (RFC 2046 5.1.1).
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1 : _MOST_FIELDS + 1]:
        if part.startswith(b"--"):
            break
        head, _, value = part.partition(b"\r\n\r\n")
        name = _part_name(head)
        if name:
            pairs.append((name, value.decode("utf-8", "replace")))
    return pairs


def _part_name(head: bytes) -> str:
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.strip().lower() != b"content-disposition":
            continue
        for parameter in value.split(b";")[1:]:
            key, _, text = parameter.strip().partition(b"=")
            if key.strip().lower() == b"name":
                return text.strip().strip(b'"').decode("utf-8", "replace")
    return ""
