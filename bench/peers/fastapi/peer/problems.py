"""Errors of RFC 9457, as jwtd words them, and the middleware for what every request and reply has."""

import re
import uuid
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 16 * 1024
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Problem(Exception):
    status: int
    code: str
    title: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)


CHALLENGE = {"WWW-Authenticate": 'Bearer realm="jwtd"'}
TOKEN_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="jwtd", error="invalid_token"'}
RETRY = {"Retry-After": "1"}

INVALID_JSON = Problem(400, "invalid_json", "Invalid JSON", "The body is not one valid JSON text.")
MISSING_TOKEN = Problem(401, "missing_token", "Missing token", "Send an access token as Authorization: Bearer.", CHALLENGE)
INVALID_TOKEN = Problem(401, "invalid_token", "Invalid token", "The access token is not valid, or has expired.", TOKEN_CHALLENGE)
INVALID_CREDENTIALS = Problem(
    401, "invalid_credentials", "Invalid credentials", "The e-mail address or the password is wrong.", CHALLENGE
)
INVALID_REFRESH_TOKEN = Problem(
    401, "invalid_refresh_token", "Invalid refresh token", "The refresh token is not valid; log in again.", CHALLENGE
)
REFRESH_TOKEN_REUSED = Problem(
    401,
    "refresh_token_reused",
    "Refresh token reused",
    "This refresh token was used before; its session has been ended.",
    CHALLENGE,
)
SESSION_EXPIRED = Problem(401, "session_expired", "Session expired", "The session has reached its end; log in again.", CHALLENGE)
NOT_FOUND = Problem(404, "not_found", "Not found", "There is nothing at this path.")
METHOD_NOT_ALLOWED = Problem(405, "method_not_allowed", "Method not allowed", "This path does not take this method.")
EMAIL_TAKEN = Problem(409, "email_taken", "E-mail address taken", "An account with this e-mail address exists already.")
BODY_TOO_LARGE = Problem(413, "body_too_large", "Body too large", "The body is larger than this service reads.")
UNSUPPORTED_MEDIA_TYPE = Problem(415, "unsupported_media_type", "Unsupported media type", "Send the body as application/json.")
VALIDATION_FAILED = Problem(
    422, "validation_failed", "Validation failed", "The body is not what this endpoint takes; see errors."
)
INTERNAL_ERROR = Problem(500, "internal_error", "Internal error", "The service made an error.")
OVERLOADED = Problem(503, "overloaded", "Overloaded", "The service is busy; try again after Retry-After.", RETRY)
DATABASE_UNAVAILABLE = Problem(
    503, "database_unavailable", "Database unavailable", "The service cannot reach its database; try again.", RETRY
)

# What Starlette's own errors are called.
BY_STATUS = {problem.status: problem for problem in (INVALID_JSON, NOT_FOUND, METHOD_NOT_ALLOWED)}

# What pydantic's errors are called.
FIELD_CODES = {
    "missing": ("required", "is missing"),
    "value_error": ("invalid_email", "is not an e-mail address of the form name@example.org"),
    "string_too_short": ("too_short", "is too short"),
    "string_too_long": ("too_long", "is longer than this endpoint takes"),
}
WRONG_TYPE = ("wrong_type", "has another type")


def reply(request: Request, problem: Problem, **members: object) -> JSONResponse:
    body = {
        "type": f"/docs#{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request.state.request_id,
        **members,
    }
    return JSONResponse(body, problem.status, problem.headers, media_type="application/problem+json")


async def on_problem(request: Request, problem: Problem) -> JSONResponse:
    return reply(request, problem)


async def on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
    response = reply(request, BY_STATUS.get(error.status_code, INTERNAL_ERROR))
    response.headers.update(error.headers or {})
    return response


async def on_validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    errors = error.errors()
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        return reply(request, UNSUPPORTED_MEDIA_TYPE)
    if errors[0]["type"] == "json_invalid":
        return reply(request, INVALID_JSON)
    fields = []
    for each in errors:
        name = ".".join(str(part) for part in each["loc"][1:])
        code, detail = FIELD_CODES.get(each["type"], WRONG_TYPE)
        fields.append({"pointer": f"/{name}", "code": code, "detail": f"{name} {detail}"})
    return reply(request, VALIDATION_FAILED, errors=fields)


class CommonHeaders:
    """Pure ASGI: a BaseHTTPMiddleware would cost a task for each request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = headers.get("X-Request-Id", "")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                added["X-Request-Id"] = request_id
                added["Cache-Control"] = "no-store"
                added["X-Content-Type-Options"] = "nosniff"
            await send(message)

        if int(headers.get("Content-Length", "0")) > BODY_LIMIT:
            await reply(Request(scope), BODY_TOO_LARGE)(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)
