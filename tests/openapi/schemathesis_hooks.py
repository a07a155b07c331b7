"""Credentials for Schemathesis (tools/fuzz_api.sh): a new access token each second, since its own calls end sessions."""

import os
from base64 import b64encode

import requests
import schemathesis

ACCOUNT = {"email": os.environ["FUZZ_EMAIL"], "password": os.environ["FUZZ_PASSWORD"]}
SERVICE = "Basic " + b64encode(f"{os.environ['FUZZ_SERVICE']}:{os.environ['FUZZ_SECRET']}".encode()).decode()


@schemathesis.auth(refresh_interval=1)
class Auth:
    def get(self, case, context):
        base = case.operation.schema.get_base_url().rstrip("/")
        return requests.post(f"{base}/auth/login", json=ACCOUNT, timeout=20).json()["access_token"]

    def set(self, case, data, context):
        schemes = {name for alternative in case.operation.definition.raw["security"] for name in alternative}
        if "service" in schemes:
            case.headers["Authorization"] = SERVICE
        elif "bearer" in schemes:
            case.headers["Authorization"] = f"Bearer {data}"
