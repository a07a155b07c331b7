"""Access and refresh tokens: JWTs, HS256, each with a key of its own."""

import time
import uuid
from dataclasses import dataclass

import jwt
from pydantic import BaseModel

from .config import settings
from .problems import INVALID_REFRESH_TOKEN, INVALID_TOKEN
from .store import Session

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "jwtd"
ACCESS_TTL = 15 * 60
LEEWAY = 30
REQUIRED = ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "roles"]

access_key = settings.jwt_secret.get_secret_value().encode()
refresh_key = settings.refresh_secret.get_secret_value().encode()


class TokenReply(BaseModel):
    access_token: str
    token_type: str = "Bearer"
    expires_in: int = ACCESS_TTL
    refresh_token: str
    refresh_expires_in: int


@dataclass
class Claims:
    user_id: str
    session_id: str
    roles: list[str]


def issue(session: Session) -> TokenReply:
    now = int(time.time())
    access = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(session.user_id),
        "sid": str(session.id),
        "jti": str(uuid.uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + ACCESS_TTL,
        "roles": session.roles,
    }
    # Names a session and a generation; whether it is still good is written in the session's row.
    refresh = {"sid": str(session.id), "generation": session.generation}
    return TokenReply(
        access_token=jwt.encode(access, access_key, ALGORITHM),
        refresh_token=jwt.encode(refresh, refresh_key, ALGORITHM),
        refresh_expires_in=session.expires_in,
    )


def verify_access(token: str) -> Claims:
    try:
        claims = jwt.decode(
            token, access_key, [ALGORITHM], {"require": REQUIRED}, issuer=ISSUER, audience=AUDIENCE, leeway=LEEWAY
        )
    except jwt.InvalidTokenError:
        raise INVALID_TOKEN from None
    return Claims(claims["sub"], claims["sid"], claims["roles"])


def verify_refresh(token: str) -> tuple[uuid.UUID, int]:
    try:
        claims = jwt.decode(token, refresh_key, [ALGORITHM], {"require": ["sid", "generation"]})
    except jwt.InvalidTokenError:
        raise INVALID_REFRESH_TOKEN from None
    return uuid.UUID(claims["sid"]), claims["generation"]
