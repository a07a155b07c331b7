//! The endpoints.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use email_address::EmailAddress;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    App,
    passwords::HashError,
    problem::{FieldError, Problem},
    store::{Refusal, Session, User},
    tokens::{AccessClaims, TokenReply},
};

const EMAIL_MAX: usize = 254;
const PASSWORD_MIN: usize = 8;
const PASSWORD_MAX: usize = 1024;

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Problem {
        eprintln!("database: {error}");
        Problem::DATABASE_UNAVAILABLE
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Problem {
        if let HashError::Busy = error {
            return Problem::OVERLOADED;
        }
        eprintln!("password: {error}");
        Problem::INTERNAL
    }
}

/// A body that is checked.
pub struct Valid<T>(T);

pub trait Validate {
    fn validate(&self, errors: &mut Vec<FieldError>);
}

impl<S: Send + Sync, T: DeserializeOwned + Validate> FromRequest<S> for Valid<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::UNSUPPORTED_MEDIA_TYPE);
        }
        let body = Bytes::from_request(request, state).await.map_err(|_| Problem::BODY_TOO_LARGE)?;
        let mut deserializer = serde_json::Deserializer::from_slice(&body);
        let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            if error.inner().is_data() {
                let field = FieldError::new(&error.path().to_string(), "wrong_type", "has another type");
                return Problem::validation(vec![field]);
            }
            Problem::INVALID_JSON
        })?;
        deserializer.end().map_err(|_| Problem::INVALID_JSON)?;
        let mut errors = Vec::new();
        value.validate(&mut errors);
        if errors.is_empty() { Ok(Valid(value)) } else { Err(Problem::validation(errors)) }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// The claims of the access token that a request must have.
impl FromRequestParts<Arc<App>> for AccessClaims {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let value = parts.headers.get(header::AUTHORIZATION).ok_or(Problem::MISSING_TOKEN)?;
        let (scheme, token) =
            value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Problem::MISSING_TOKEN)?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(Problem::MISSING_TOKEN);
        }
        app.tokens.verify_access(token).map_err(|_| Problem::INVALID_TOKEN)
    }
}

/// A field that is not there is empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Account {
    email: String,
    password: String,
}

impl Validate for Account {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        if self.email.is_empty() {
            errors.push(FieldError::new("email", "required", "is missing"));
        } else if self.email.len() > EMAIL_MAX || !EmailAddress::is_valid(&self.email) {
            errors.push(FieldError::new("email", "invalid_email", "is no e-mail address"));
        }
        if self.password.is_empty() {
            errors.push(FieldError::new("password", "required", "is missing"));
        } else if self.password.len() > PASSWORD_MAX {
            errors.push(FieldError::new("password", "too_long", "is longer than this endpoint takes"));
        }
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
pub struct NewAccount(Account);

impl Validate for NewAccount {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        self.0.validate(errors);
        if !self.0.password.is_empty() && self.0.password.chars().count() < PASSWORD_MIN {
            errors.push(FieldError::new("password", "too_short", "is too short"));
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct RefreshRequest {
    refresh_token: String,
}

impl Validate for RefreshRequest {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        if self.refresh_token.is_empty() {
            errors.push(FieldError::new("refresh_token", "required", "is missing"));
        }
    }
}

pub async fn register(
    State(app): State<Arc<App>>,
    Valid(NewAccount(account)): Valid<NewAccount>,
) -> Result<impl IntoResponse, Problem> {
    let hash = app.passwords.hash(account.password).await?;
    let inserted = app.store.insert_user(&account.email, &account.email.to_lowercase(), &hash).await?;
    let user = inserted.ok_or(Problem::EMAIL_TAKEN)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, "/auth/me")], Json(user)))
}

pub async fn login(
    State(app): State<Arc<App>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Valid(account): Valid<Account>,
) -> Result<Json<TokenReply>, Problem> {
    let found = app.store.find_credentials(&account.email.to_lowercase()).await?;
    let stored = found.as_ref().map(|user| user.password_hash.clone());
    let matches = app.passwords.verify(account.password, stored).await?;
    let owner = found.filter(|_| matches).ok_or(Problem::INVALID_CREDENTIALS)?;
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let session = app.store.open_session(owner, client.ip(), user_agent.unwrap_or_default()).await?;
    reply_tokens(&app, session)
}

pub async fn refresh(
    State(app): State<Arc<App>>,
    Valid(body): Valid<RefreshRequest>,
) -> Result<Json<TokenReply>, Problem> {
    let claims = app.tokens.verify_refresh(&body.refresh_token).map_err(|_| Problem::INVALID_REFRESH_TOKEN)?;
    let rotated = app.store.rotate_session(claims.sid, claims.generation).await?;
    let session = rotated.map_err(|refusal| match refusal {
        Refusal::Unknown => Problem::INVALID_REFRESH_TOKEN,
        Refusal::Reused => Problem::REFRESH_TOKEN_REUSED,
        Refusal::Expired => Problem::SESSION_EXPIRED,
    })?;
    reply_tokens(&app, session)
}

fn reply_tokens(app: &App, session: Session) -> Result<Json<TokenReply>, Problem> {
    app.tokens.issue(session).map(Json).map_err(|_| Problem::INTERNAL)
}

pub async fn me(State(app): State<Arc<App>>, claims: AccessClaims) -> Result<Json<User>, Problem> {
    app.store.find_user(claims.sub).await?.map(Json).ok_or(Problem::INVALID_TOKEN)
}

/// For a proxy that asks whose token this is; what it copies into a request must always be there.
pub async fn verify(claims: AccessClaims) -> impl IntoResponse {
    let roles = if claims.roles.is_empty() { "-".to_owned() } else { claims.roles.join(",") };
    [("x-auth-subject", claims.sub.to_string()), ("x-auth-session", claims.sid.to_string()), ("x-auth-roles", roles)]
}

pub async fn live() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], r#"{"status":"alive"}"#)
}

pub async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.store.ping().await {
        Ok(()) => Json(json!({"status": "healthy", "checks": {"database": "ok"}})).into_response(),
        Err(_) => {
            let body = Json(json!({"status": "unhealthy", "checks": {"database": "failed"}}));
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], body).into_response()
        }
    }
}
