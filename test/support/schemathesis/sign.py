"""Signs what schemathesis sends, for the checks that need a request to be let in."""

import base64
import hashlib
import hmac
import json
import os
import re

import requests
import schemathesis

# By path: header, encoding, prefix of the signature.
SCHEMES = json.loads(os.environ["SIGNING_SCHEMES"])
SECRET = os.environ["SIGNING_SECRET"].encode()


class Signature(requests.auth.AuthBase):
    """HMAC-SHA256 over the bytes that are sent."""

    def __call__(self, request):
        scheme = SCHEMES.get(request.path_url.split("?")[0])
        if scheme is not None:
            body = request.body or b""
            body = body.encode() if isinstance(body, str) else body
            digest = hmac.new(SECRET, body, hashlib.sha256).digest()
            written = digest.hex() if scheme["encoding"] == "hex" else base64.b64encode(digest).decode()
            request.headers[scheme["header"]] = scheme["prefix"] + written
        return request


schemathesis.auth.set_from_requests(Signature())


@schemathesis.hook
def before_call(context, case, kwargs):
    """Leaves out headers that the edge closes the connection for (docs/contracts.md), unanswered, after 10 s."""
    for name in list(case.headers or {}):
        if not re.fullmatch(r"[A-Za-z0-9-]+", name) or re.search(r"[\x00-\x1f]", str(case.headers[name])):
            del case.headers[name]
