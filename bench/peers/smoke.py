"""smoke.py URL NAME: one client's way through the API that jwtd and its peers share. Prints one line a case; uses the standard library only."""

import http.client
import json
import sys
import uuid
from urllib.parse import urlsplit

PASSWORD = "a long walk by the sea"

server = urlsplit(sys.argv[1]).netloc
name = sys.argv[2]
email = f"Ada.{uuid.uuid4()}@example.org"


def check(what, passed, reply):
    print("ok" if passed else "FAILED", f"{name}: {what}", "" if passed else reply, flush=True)


def request(method, path, body=None, token=None, content_type="application/json"):
    """Returns the status, the headers and the body, parsed if it is JSON."""
    connection = http.client.HTTPConnection(server, timeout=60)
    headers = {"X-Request-Id": "smoke-1"}
    if body is not None:
        headers["Content-Type"] = content_type
        body = body if isinstance(body, str) else json.dumps(body)
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, response.headers, json.loads(text) if "json" in response.headers.get("Content-Type", "") else text


def expect(what, reply, status, members=(), headers=()):
    got_status, got_headers, body = reply
    passed = got_status == status and got_headers["X-Request-Id"] == "smoke-1"
    passed = passed and all(member in body for member in members) and all(header in got_headers for header in headers)
    check(what, passed, (got_status, dict(got_headers), body))
    return body if isinstance(body, dict) else {}


def expect_problem(what, reply, status, code, headers=()):
    got_status, got_headers, body = reply
    passed = (
        got_status == status
        and got_headers["Content-Type"] == "application/problem+json"
        and all(header in got_headers for header in headers)
        and body.keys() >= {"type", "title", "detail"}
        and (body["status"], body["code"], body["request_id"]) == (status, code, "smoke-1")
    )
    check(what, passed, (got_status, dict(got_headers), body))


def expect_field(what, reply, pointer, code):
    status, headers, body = reply
    passed = status == 422 and body["code"] == "validation_failed" and [(e["pointer"], e["code"]) for e in body["errors"]] == [(pointer, code)]
    check(what, passed, (status, dict(headers), body))


def post(path, body, **options):
    return request("POST", path, body, **options)


def claims_of(token):
    import base64

    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


TOKENS = ("access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in")
account = {"email": email, "password": PASSWORD}

# health
expect("is alive", request("GET", "/health/live"), 200, ["status"])
expect("is ready", request("GET", "/health/ready"), 200, ["status", "checks"])

# register
user = expect("registers", post("/auth/register", account), 201, ["id", "email", "roles", "created_at"], ["Location"])
check("returns the address as typed", user.get("email") == email and user.get("roles") == [] and "updated_at" not in user, user)
expect_problem("refuses a second account", post("/auth/register", {**account, "email": email.lower()}), 409, "email_taken")
expect_field("refuses a short password", post("/auth/register", {**account, "password": "sea"}), "/password", "too_short")
expect_field("refuses a bad address", post("/auth/register", {**account, "email": "ada"}), "/email", "invalid_email")
expect_field("refuses a missing field", post("/auth/register", {"email": email}), "/password", "required")
expect_field("refuses a wrong type", post("/auth/register", {**account, "password": 1}), "/password", "wrong_type")
expect_problem("refuses bad JSON", post("/auth/register", "{"), 400, "invalid_json")
expect_problem("refuses another type of body", post("/auth/register", "a=b", content_type="text/plain"), 415, "unsupported_media_type")
expect_problem("refuses a large body", post("/auth/register", {**account, "filler": "x" * 20000}), 413, "body_too_large")

# login
tokens = expect("logs in", post("/auth/login", {**account, "email": email.upper()}), 200, TOKENS)
check("tells how long tokens live", (tokens["token_type"], tokens["expires_in"], tokens["refresh_expires_in"]) == ("Bearer", 900, 604800), tokens)
access, refresh = tokens["access_token"], tokens["refresh_token"]
claims = claims_of(access)
check("has jwtd's claims", claims.keys() == {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "roles"}, claims)
check("has their values", (claims["iss"], claims["aud"], claims["sub"], claims["roles"]) == ("jwtd", "jwtd", user["id"], []), claims)
check("is valid for 15 minutes", claims["exp"] - claims["iat"] == 900, claims)
CHALLENGE = ["WWW-Authenticate"]
expect_problem("refuses a wrong password", post("/auth/login", {**account, "password": "wrong wrong"}), 401, "invalid_credentials", CHALLENGE)
unknown = {**account, "email": "nobody@example.org"}
expect_problem("refuses an unknown user", post("/auth/login", unknown), 401, "invalid_credentials", CHALLENGE)

# what an access token opens
me = expect("shows the user", request("GET", "/auth/me", token=access), 200, ["id", "email", "roles", "created_at", "updated_at"])
check("shows the same user", {key: me.get(key) for key in user} == user, me)
expect_problem("shows nobody without a token", request("GET", "/auth/me"), 401, "missing_token", CHALLENGE)
for method, path in ("GET", "/auth/verify"), ("POST", "/auth/verify"), ("PUT", "/auth/verify/some/path"):
    headers = request(method, path, token=access)
    expect(f"verifies by {method} {path}", headers, 200)
    subject, session, roles = (headers[1].get(f"X-Auth-{key}") for key in ("Subject", "Session", "Roles"))
    check("names whose token it is", (subject, session, roles) == (claims["sub"], claims["sid"], "-"), dict(headers[1]))
expect_problem("refuses no token", request("GET", "/auth/verify"), 401, "missing_token", CHALLENGE)
forged = access[:-4] + ("AAAA" if access[-4:] != "AAAA" else "BBBB")
expect_problem("refuses a forged token", request("GET", "/auth/verify", token=forged), 401, "invalid_token", CHALLENGE)
expect_problem("refuses a refresh token", request("GET", "/auth/verify", token=refresh), 401, "invalid_token", CHALLENGE)

# refresh; the first token is presented again after its successor was used, since jwtd returns that one again until then
second = expect("refreshes", post("/auth/refresh", {"refresh_token": refresh}), 200, TOKENS)["refresh_token"]
third = expect("refreshes again", post("/auth/refresh", {"refresh_token": second}), 200, TOKENS)
expect("verifies the new token", request("GET", "/auth/verify", token=third["access_token"]), 200)
check("stays in the session", claims_of(third["access_token"])["sid"] == claims["sid"], claims)
expect_problem("refuses a used token", post("/auth/refresh", {"refresh_token": refresh}), 401, "refresh_token_reused", CHALLENGE)
expect_problem("has ended its session", post("/auth/refresh", {"refresh_token": third["refresh_token"]}), 401, "refresh_token_reused", CHALLENGE)
expect_problem("refuses no refresh token", post("/auth/refresh", {"refresh_token": "x" * 40}), 401, "invalid_refresh_token", CHALLENGE)
expect_problem("refuses an access token", post("/auth/refresh", {"refresh_token": access[:255]}), 401, "invalid_refresh_token", CHALLENGE)

# the rest
expect_problem("has nothing elsewhere", request("GET", "/nothing"), 404, "not_found")
expect_problem("refuses another method", request("GET", "/auth/login"), 405, "method_not_allowed", ["Allow"])
