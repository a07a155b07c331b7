"""What is asked of PostgreSQL: jwtd's tables users and sessions."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from asyncpg import Connection, Pool, Record, create_pool

from .problems import INVALID_REFRESH_TOKEN, REFRESH_TOKEN_REUSED, SESSION_EXPIRED, Problem

SESSION_TTL = timedelta(days=30)
SESSION_IDLE = timedelta(days=7)


@dataclass
class Session:
    id: uuid.UUID
    user_id: uuid.UUID
    generation: int
    roles: list[str]
    expires_in: int  # seconds, if it is not used


async def keep_as_is(_: Connection) -> None:
    """Nothing here changes the state of a connection; to reset it would be a second statement for each one."""


async def open_pool(url: str, connections: int) -> Pool:
    return await create_pool(url, min_size=connections, max_size=connections, reset=keep_as_is)


async def insert_user(pool: Pool, email: str, password_hash: str) -> Record | None:
    """None: the address is taken."""
    return await pool.fetchrow(
        """
        INSERT INTO users (id, email, email_canonical, password_hash)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (email_canonical) DO NOTHING
        RETURNING id, email, roles, created_at
        """,
        uuid.uuid4(),
        email,
        email.lower(),
        password_hash,
    )


async def find_credentials(pool: Pool, email: str) -> Record | None:
    return await pool.fetchrow(
        "SELECT id, password_hash, roles FROM users WHERE email_canonical = $1 AND disabled_at IS NULL", email.lower()
    )


async def find_user(pool: Pool, user_id: str) -> Record | None:
    return await pool.fetchrow("SELECT id, email, roles, created_at, updated_at FROM users WHERE id = $1", user_id)


async def open_session(pool: Pool, user: Record, ip: str, user_agent: str) -> Session:
    session = Session(uuid.uuid4(), user["id"], 1, user["roles"], int(SESSION_IDLE.total_seconds()))
    await pool.execute(
        "INSERT INTO sessions (id, user_id, expires_at, ip, user_agent) VALUES ($1, $2, now() + $3::interval, $4, left($5, 512))",
        session.id,
        session.user_id,
        SESSION_TTL,
        ip,
        user_agent,
    )
    return session


async def rotate_session(pool: Pool, session_id: uuid.UUID, generation: int) -> Session:
    """Replaces the current refresh token of a session by the next one."""
    rotated = await pool.fetchrow(
        """
        UPDATE sessions s
        SET generation = generation + 1, rotated_at = now(), last_used_at = now()
        FROM users u
        WHERE s.id = $1 AND s.generation = $2 AND s.revoked_at IS NULL
            AND s.expires_at > now() AND s.last_used_at > now() - $3::interval
            AND u.id = s.user_id AND u.disabled_at IS NULL
        RETURNING s.id, s.user_id, s.generation, u.roles,
            extract(epoch FROM least(s.expires_at - now(), $3::interval))::bigint AS expires_in
        """,
        session_id,
        generation,
        SESSION_IDLE,
    )
    if rotated is None:
        raise await why_not_rotated(pool, session_id, generation)
    return Session(*rotated)


async def why_not_rotated(pool: Pool, session_id: uuid.UUID, generation: int) -> Problem:
    """Why a token is not the current one of a live session. One that was used before ends the session."""
    found = await pool.fetchrow(
        """
        WITH reused AS (
            UPDATE sessions SET revoked_at = now(), revoke_reason = 'reuse'
            WHERE id = $1 AND generation > $2 AND revoked_at IS NULL
            RETURNING id
        )
        SELECT coalesce(s.revoke_reason = 'reuse', false) OR EXISTS (SELECT FROM reused) AS is_reused,
            s.revoked_at IS NULL AND u.disabled_at IS NULL AS is_live
        FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.id = $1
        """,
        session_id,
        generation,
    )
    if found is None:
        return INVALID_REFRESH_TOKEN
    if found["is_reused"]:
        return REFRESH_TOKEN_REUSED
    return SESSION_EXPIRED if found["is_live"] else INVALID_REFRESH_TOKEN
