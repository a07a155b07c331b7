//! Errors of RFC 9457, as jwtd words them, and the headers that every reply has.

use axum::{
    Json,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: &'static str,
    errors: Vec<FieldError>,
}

#[derive(Clone, Serialize)]
pub struct FieldError {
    pointer: String,
    code: &'static str,
    detail: String,
}

impl FieldError {
    pub fn new(field: &str, code: &'static str, detail: &str) -> Self {
        FieldError { pointer: format!("/{field}"), code, detail: format!("{field} {detail}") }
    }
}

const fn problem(status: StatusCode, code: &'static str, title: &'static str, detail: &'static str) -> Problem {
    Problem { status, code, title, detail, errors: Vec::new() }
}

#[rustfmt::skip]
impl Problem {
    pub const INVALID_JSON: Problem = problem(StatusCode::BAD_REQUEST, "invalid_json", "Invalid JSON", "The body is not one valid JSON text.");
    pub const MISSING_TOKEN: Problem = problem(StatusCode::UNAUTHORIZED, "missing_token", "Missing token", "Send an access token as Authorization: Bearer.");
    pub const INVALID_TOKEN: Problem = problem(StatusCode::UNAUTHORIZED, "invalid_token", "Invalid token", "The access token is not valid, or has expired.");
    pub const INVALID_CREDENTIALS: Problem = problem(StatusCode::UNAUTHORIZED, "invalid_credentials", "Invalid credentials", "The e-mail address or the password is wrong.");
    pub const INVALID_REFRESH_TOKEN: Problem = problem(StatusCode::UNAUTHORIZED, "invalid_refresh_token", "Invalid refresh token", "The refresh token is not valid; log in again.");
    pub const REFRESH_TOKEN_REUSED: Problem = problem(StatusCode::UNAUTHORIZED, "refresh_token_reused", "Refresh token reused", "This refresh token was used before; its session has been ended.");
    pub const SESSION_EXPIRED: Problem = problem(StatusCode::UNAUTHORIZED, "session_expired", "Session expired", "The session has reached its end; log in again.");
    pub const NOT_FOUND: Problem = problem(StatusCode::NOT_FOUND, "not_found", "Not found", "There is nothing at this path.");
    pub const METHOD_NOT_ALLOWED: Problem = problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", "This path does not take this method.");
    pub const EMAIL_TAKEN: Problem = problem(StatusCode::CONFLICT, "email_taken", "E-mail address taken", "An account with this e-mail address exists already.");
    pub const BODY_TOO_LARGE: Problem = problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Body too large", "The body is larger than this service reads.");
    pub const UNSUPPORTED_MEDIA_TYPE: Problem = problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", "Send the body as application/json.");
    const VALIDATION_FAILED: Problem = problem(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "Validation failed", "The body is not what this endpoint takes; see errors.");
    pub const INTERNAL: Problem = problem(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Internal error", "The service made an error.");
    pub const OVERLOADED: Problem = problem(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", "The service is busy; try again after Retry-After.");
    pub const DATABASE_UNAVAILABLE: Problem = problem(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", "Database unavailable", "The service cannot reach its database; try again.");
}

impl Problem {
    pub fn validation(errors: Vec<FieldError>) -> Problem {
        Problem { errors, ..Problem::VALIDATION_FAILED }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match (self.status, self.code) {
            (_, "invalid_token") => Some((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Bearer realm="jwtd", error="invalid_token""#),
            )),
            (StatusCode::UNAUTHORIZED, _) => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="jwtd""#)))
            }
            (StatusCode::SERVICE_UNAVAILABLE, _) => Some((header::RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => None,
        }
    }
}

/// The body names the request, which is known in `common_headers`: it is written there.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

fn write_problem(response: Response, problem: Problem, request_id: &HeaderValue) -> Response {
    let (mut parts, _) = response.into_parts();
    let extra = problem.header();
    let body = Json(Body {
        r#type: format!("/docs#{}", problem.code),
        title: problem.title,
        status: problem.status.as_u16(),
        detail: problem.detail,
        code: problem.code,
        request_id: request_id.to_str().unwrap_or_default(),
        errors: problem.errors,
    });
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(extra);
    let mut response = (parts, body).into_response();
    let content_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn is_request_id(value: &HeaderValue) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=64).contains(&value.len()) && value.as_bytes().iter().all(is_allowed)
}

fn new_request_id() -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    let id = Uuid::now_v7().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(id).expect("a UUID is ASCII")
}

pub async fn common_headers(request: Request, next: Next) -> Response {
    let sent = request.headers().get(REQUEST_ID);
    let request_id = sent.filter(|id| is_request_id(id)).cloned().unwrap_or_else(new_request_id);
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = write_problem(response, problem, &request_id);
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, request_id);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
