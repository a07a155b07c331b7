//! The API of jwtd written with axum, for comparison: see ../README.md.

mod handlers;
mod passwords;
mod problem;
mod store;
mod tokens;

use std::{env, error::Error, net::SocketAddr, sync::Arc, thread::available_parallelism};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{any, get, post},
    serve::ListenerExt,
};
use sqlx::postgres::PgPoolOptions;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{passwords::PasswordHasher, problem::Problem, store::Store, tokens::Tokens};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY_LIMIT: usize = 16 * 1024;

struct App {
    store: Store,
    passwords: PasswordHasher,
    tokens: Tokens,
}

fn required(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} must be set"))
}

fn number(name: &str, otherwise: usize) -> Result<usize, String> {
    match env::var(name) {
        Err(_) => Ok(otherwise),
        Ok(text) => match text.parse() {
            Ok(value) if value > 0 => Ok(value),
            _ => Err(format!("{name} must be a positive number")),
        },
    }
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/auth/register", post(handlers::register))
        .route("/auth/login", post(handlers::login))
        .route("/auth/refresh", post(handlers::refresh))
        .route("/auth/me", get(handlers::me))
        .route("/auth/verify", any(handlers::verify))
        .route("/auth/verify/{*path}", any(handlers::verify))
        .route("/health/live", get(handlers::live))
        .route("/health/ready", get(handlers::ready))
        .route("/health", get(handlers::ready))
        .fallback(|| async { Problem::NOT_FOUND })
        .method_not_allowed_fallback(|| async { Problem::METHOD_NOT_ALLOWED })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(problem::common_headers))
        .with_state(app)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cores = available_parallelism()?.get();
    let connections = u32::try_from(number("DATABASE_CONNECTIONS", 8)?)?;
    // A connection that is lost shows when it is used; to ask before each use would be a second round trip for every statement.
    let pool = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .test_before_acquire(false)
        .connect(&required("DATABASE_URL")?)
        .await?;
    let app = Arc::new(App {
        store: Store::new(pool),
        passwords: PasswordHasher::new(number("HASH_WORKERS", cores)?)?,
        tokens: Tokens::new(&required("JWT_SECRET")?, &required("REFRESH_SECRET")?)?,
    });

    let listener = TcpListener::bind(required("LISTEN")?).await?.tap_io(|connection| _ = connection.set_nodelay(true));
    let mut terminate = signal(SignalKind::terminate())?;
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(async move { _ = terminate.recv().await }).await?;
    Ok(())
}
