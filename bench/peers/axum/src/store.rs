//! What is asked of PostgreSQL: jwtd's tables users and sessions.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgPool, query, query_as};
use uuid::Uuid;

const SESSION_TTL: f64 = 30.0 * 24.0 * 3600.0; // seconds
const SESSION_IDLE: f64 = 7.0 * 24.0 * 3600.0;

#[derive(FromRow, Serialize)]
pub struct User {
    id: Uuid,
    email: String,
    roles: Vec<String>,
    created_at: DateTime<Utc>,
    #[sqlx(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
pub struct Credentials {
    pub id: Uuid,
    pub password_hash: String,
    pub roles: Vec<String>,
}

#[derive(FromRow)]
pub struct Session {
    pub id: Uuid,
    pub user_id: Uuid,
    pub generation: i32,
    pub roles: Vec<String>,
    /// In seconds, if it is not used.
    pub expires_in: i64,
}

/// Why there is no next refresh token.
pub enum Refusal {
    Unknown,
    Reused,
    Expired,
}

pub struct Store {
    pool: PgPool,
}

impl Store {
    pub fn new(pool: PgPool) -> Self {
        Store { pool }
    }

    pub async fn ping(&self) -> sqlx::Result<()> {
        query("SELECT 1").execute(&self.pool).await.map(drop)
    }

    /// None: the address is taken.
    pub async fn insert_user(&self, email: &str, canonical: &str, hash: &str) -> sqlx::Result<Option<User>> {
        query_as(
            "INSERT INTO users (id, email, email_canonical, password_hash)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (email_canonical) DO NOTHING
             RETURNING id, email, roles, created_at",
        )
        .bind(Uuid::now_v7())
        .bind(email)
        .bind(canonical)
        .bind(hash)
        .fetch_optional(&self.pool)
        .await
    }

    pub async fn find_credentials(&self, canonical: &str) -> sqlx::Result<Option<Credentials>> {
        query_as(
            "SELECT id, password_hash, roles
             FROM users
             WHERE email_canonical = $1 AND disabled_at IS NULL",
        )
        .bind(canonical)
        .fetch_optional(&self.pool)
        .await
    }

    pub async fn find_user(&self, id: Uuid) -> sqlx::Result<Option<User>> {
        query_as("SELECT id, email, roles, created_at, updated_at FROM users WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
    }

    pub async fn open_session(&self, owner: Credentials, ip: IpAddr, user_agent: &str) -> sqlx::Result<Session> {
        let session = Session {
            id: Uuid::now_v7(),
            user_id: owner.id,
            generation: 1,
            roles: owner.roles,
            expires_in: SESSION_IDLE as i64,
        };
        query(
            "INSERT INTO sessions (id, user_id, expires_at, ip, user_agent)
             VALUES ($1, $2, now() + make_interval(secs => $3), $4::inet, left($5, 512))",
        )
        .bind(session.id)
        .bind(session.user_id)
        .bind(SESSION_TTL)
        .bind(ip.to_canonical().to_string())
        .bind(user_agent)
        .execute(&self.pool)
        .await?;
        Ok(session)
    }

    /// Replaces the current refresh token of a session by the next one.
    pub async fn rotate_session(&self, id: Uuid, generation: i32) -> sqlx::Result<Result<Session, Refusal>> {
        let rotated = query_as(
            "UPDATE sessions s
             SET generation = generation + 1, rotated_at = now(), last_used_at = now()
             FROM users u
             WHERE s.id = $1 AND s.generation = $2 AND s.revoked_at IS NULL
                AND s.expires_at > now() AND s.last_used_at > now() - make_interval(secs => $3)
                AND u.id = s.user_id AND u.disabled_at IS NULL
             RETURNING s.id, s.user_id, s.generation, u.roles,
                extract(epoch FROM least(s.expires_at - now(), make_interval(secs => $3)))::bigint AS expires_in",
        )
        .bind(id)
        .bind(generation)
        .bind(SESSION_IDLE)
        .fetch_optional(&self.pool)
        .await?;
        match rotated {
            Some(session) => Ok(Ok(session)),
            None => self.refuse_rotation(id, generation).await.map(Err),
        }
    }

    /// Why a token is not the current one of a live session. One that was used before ends the session.
    async fn refuse_rotation(&self, id: Uuid, generation: i32) -> sqlx::Result<Refusal> {
        let found: Option<(bool, bool)> = query_as(
            "WITH reused AS (
                UPDATE sessions SET revoked_at = now(), revoke_reason = 'reuse'
                WHERE id = $1 AND generation > $2 AND revoked_at IS NULL
                RETURNING id
             )
             SELECT coalesce(s.revoke_reason = 'reuse', false) OR EXISTS (SELECT FROM reused),
                s.revoked_at IS NULL AND u.disabled_at IS NULL
             FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = $1",
        )
        .bind(id)
        .bind(generation)
        .fetch_optional(&self.pool)
        .await?;
        Ok(match found {
            Some((true, _)) => Refusal::Reused,
            Some((false, true)) => Refusal::Expired,
            _ => Refusal::Unknown,
        })
    }
}
