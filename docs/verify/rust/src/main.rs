//! Verifies access tokens of jwtd with jsonwebtoken.
//!
//!     verify --issuer ISS --audience AUD [--keys DIRECTORY] [--jwks URL|FILE] [--max-age SECONDS] [TOKEN...]
//!
//! Without a TOKEN it reads them from standard input, one a line. A line of output each: "accepted sub=... sid=... roles=...", or
//! "refused: " and why. It exits with 0 when all were accepted, 1 when one was refused, 2 when it could not begin.

use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{decode, decode_header, Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::BufRead;
use std::path::PathBuf;
use std::process::exit;
use std::time::{Duration, Instant};

const LEEWAY: u64 = 5; // seconds that two clocks may differ, as the service itself allows; jsonwebtoken's default is 60
const PAUSE: Duration = Duration::from_secs(1); // between two readings of the keys, at least
const MAX_AGE: Duration = Duration::from_secs(300); // until the keys are read again in any case: one that was removed is forgotten
const TIMEOUT: Duration = Duration::from_secs(2); // for the JWKS to come

type Failure = Box<dyn Error>;

/// A key with the one algorithm that it is for.
struct Key {
    algorithm: Algorithm,
    material: DecodingKey,
}

/// The keys by their kid. A kid is looked up, never made a path of.
struct Keys {
    directory: Option<PathBuf>,
    jwks: Option<String>,
    max_age: Duration,
    by_kid: HashMap<String, Key>,
    read_at: Instant,
    tried: Instant,
}

impl Keys {
    fn find(&mut self, kid: &str) -> Option<&Key> {
        let wanted = !self.by_kid.contains_key(kid) || self.read_at.elapsed() >= self.max_age;
        if wanted && self.tried.elapsed() >= PAUSE {
            let _ = self.read(); // if it fails, what is known stays in force
        }
        self.by_kid.get(kid)
    }

    fn read(&mut self) -> Result<(), Failure> {
        self.tried = Instant::now();
        let mut found = HashMap::new();
        if let Some(place) = &self.jwks {
            read_jwks(place, &mut found)?;
        }
        if let Some(directory) = &self.directory {
            read_directory(directory, &mut found)?;
        }
        self.by_kid = found;
        self.read_at = Instant::now();
        Ok(())
    }
}

fn is_kid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
}

fn read_directory(directory: &PathBuf, found: &mut HashMap<String, Key>) -> Result<(), Failure> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(kid) = name.strip_suffix(".hs256").filter(|kid| is_kid(kid)) else { continue };
        let Ok(text) = fs::read(&path) else { continue }; // one key that cannot be read costs the others nothing
        match URL_SAFE_NO_PAD.decode(text.trim_ascii()) {
            Ok(secret) if secret.len() >= 32 => {
                let material = DecodingKey::from_secret(&secret);
                found.insert(kid.to_owned(), Key { algorithm: Algorithm::HS256, material });
            }
            _ => continue,
        }
    }
    Ok(())
}

fn read_jwks(place: &str, found: &mut HashMap<String, Key>) -> Result<(), Failure> {
    let text = if place.starts_with("http://") || place.starts_with("https://") {
        let configuration = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).build();
        ureq::Agent::new_with_config(configuration).get(place).call()?.body_mut().read_to_string()?
    } else {
        fs::read_to_string(place)?
    };
    let set: serde_json::Value = serde_json::from_str(&text)?;
    for member in set["keys"].as_array().ok_or("no keys in the JWKS")? {
        let Ok(jwk) = Jwk::deserialize(member) else { continue };
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            _ => continue, // never "oct"
        };
        let is_for_this = jwk.common.key_algorithm.is_none_or(|named| named.to_string() == format!("{algorithm:?}"));
        let is_for_signing = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        if let (true, true, Some(kid), Ok(material)) =
            (is_for_this, is_for_signing, &jwk.common.key_id, DecodingKey::from_jwk(&jwk))
        {
            found.insert(kid.clone(), Key { algorithm, material });
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    sid: String,
    #[serde(default)]
    roles: Vec<String>,
}

fn check(token: &str, keys: &mut Keys, issuer: &str, audience: &str) -> Result<Claims, Failure> {
    let header = decode_header(token)?;
    if header.crit.is_some() || header.extras.inner().contains_key("b64") {
        return Err("unknown extension".into()); // jsonwebtoken reads crit, but does not check it
    }
    let kid = header.kid.filter(|kid| is_kid(kid)).ok_or("unknown key")?;
    let key = keys.find(&kid).ok_or("unknown key")?;
    let mut validation = Validation::new(key.algorithm); // of the key, not of the token
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "sub", "iss", "aud"]); // sid is required by Claims
    Ok(decode::<Claims>(token, &key.material, &validation)?.claims)
}

struct Options {
    keys: Keys,
    issuer: String,
    audience: String,
    tokens: Vec<String>,
}

fn read_arguments() -> Result<Options, Failure> {
    let now = Instant::now();
    let keys = Keys { directory: None, jwks: None, max_age: MAX_AGE, by_kid: HashMap::new(), read_at: now, tried: now };
    let mut options = Options { keys, issuer: String::new(), audience: String::new(), tokens: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if !word.starts_with("--") {
            options.tokens.push(word);
            continue;
        }
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        match word.as_str() {
            "--issuer" => options.issuer = value,
            "--audience" => options.audience = value,
            "--keys" => options.keys.directory = Some(value.into()),
            "--jwks" => options.keys.jwks = Some(value),
            "--max-age" => options.keys.max_age = Duration::from_secs_f64(value.parse()?),
            _ => return Err(format!("there is no option {word}").into()),
        }
    }
    if options.issuer.is_empty() || options.audience.is_empty() {
        return Err("--issuer and --audience are needed".into());
    }
    options.keys.read()?;
    Ok(options)
}

fn main() {
    let Options { mut keys, issuer, audience, tokens } = read_arguments().unwrap_or_else(|error| {
        eprintln!("cannot begin: {error}");
        exit(2);
    });
    let mut status = 0;
    let mut check_one = |token: &str| match check(token.trim(), &mut keys, &issuer, &audience) {
        Ok(Claims { sub, sid, roles }) => {
            let roles = if roles.is_empty() { "-".to_owned() } else { roles.join(",") };
            println!("accepted sub={sub} sid={sid} roles={roles}");
        }
        Err(error) => {
            println!("refused: {}", error.to_string().split_whitespace().collect::<Vec<_>>().join(" "));
            status = 1;
        }
    };
    tokens.iter().for_each(|token| check_one(token));
    if tokens.is_empty() {
        for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
            check_one(&String::from_utf8_lossy(&line));
        }
    }
    exit(status);
}
