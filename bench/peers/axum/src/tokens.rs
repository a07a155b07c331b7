//! Access and refresh tokens: JWTs, HS256, each with a key of its own.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, errors::Error, get_current_timestamp,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::Session;

const ISSUER: &str = "jwtd";
const AUDIENCE: &str = "jwtd";
const ACCESS_TTL: u64 = 15 * 60;
const LEEWAY: u64 = 30;
const SECRET_MIN: usize = 32;

#[derive(Serialize, Deserialize)]
pub struct AccessClaims {
    iss: String,
    aud: String,
    pub sub: Uuid,
    pub sid: Uuid,
    jti: Uuid,
    iat: u64,
    nbf: u64,
    exp: u64,
    pub roles: Vec<String>,
}

/// Names a session and a generation; whether it is still good is written in the session's row.
#[derive(Serialize, Deserialize)]
pub struct RefreshClaims {
    pub sid: Uuid,
    pub generation: i32,
}

#[derive(Serialize)]
pub struct TokenReply {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
    refresh_expires_in: i64,
}

struct Key {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Key {
    fn new(secret: &str, validation: Validation) -> Result<Self, String> {
        if secret.len() < SECRET_MIN {
            return Err(format!("a secret must have at least {SECRET_MIN} bytes"));
        }
        Ok(Key {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            validation,
        })
    }
}

pub struct Tokens {
    access: Key,
    refresh: Key,
}

impl Tokens {
    pub fn new(access_secret: &str, refresh_secret: &str) -> Result<Self, String> {
        let mut access = Validation::new(Algorithm::HS256);
        access.set_issuer(&[ISSUER]);
        access.set_audience(&[AUDIENCE]);
        access.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        access.validate_nbf = true;
        access.leeway = LEEWAY;
        let mut refresh = Validation::new(Algorithm::HS256);
        refresh.required_spec_claims.clear();
        refresh.validate_exp = false;
        Ok(Tokens { access: Key::new(access_secret, access)?, refresh: Key::new(refresh_secret, refresh)? })
    }

    pub fn issue(&self, session: Session) -> Result<TokenReply, Error> {
        let now = get_current_timestamp();
        let access = AccessClaims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: session.user_id,
            sid: session.id,
            jti: Uuid::now_v7(),
            iat: now,
            nbf: now,
            exp: now + ACCESS_TTL,
            roles: session.roles,
        };
        let refresh = RefreshClaims { sid: session.id, generation: session.generation };
        Ok(TokenReply {
            access_token: encode(&Header::default(), &access, &self.access.encoding)?,
            token_type: "Bearer",
            expires_in: ACCESS_TTL,
            refresh_token: encode(&Header::default(), &refresh, &self.refresh.encoding)?,
            refresh_expires_in: session.expires_in,
        })
    }

    pub fn verify_access(&self, token: &str) -> Result<AccessClaims, Error> {
        decode(token, &self.access.decoding, &self.access.validation).map(|token| token.claims)
    }

    pub fn verify_refresh(&self, token: &str) -> Result<RefreshClaims, Error> {
        decode(token, &self.refresh.decoding, &self.refresh.validation).map(|token| token.claims)
    }
}
