//! argon2id on blocking threads, at most so many at once: more would only take memory and make each other slower.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// OWASP's minimum, and jwtd's default.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const KEY_LENGTH: usize = 32;
const WAIT: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error("too many passwords wait to be hashed")]
    Busy,
    #[error("the task of a hash failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("argon2: {0}")]
    Argon2(#[from] argon2::Error),
    #[error("no argon2id hash: {0}")]
    Format(#[from] argon2::password_hash::phc::Error),
}

pub struct PasswordHasher {
    slots: Arc<Semaphore>,
    workspaces: Arc<Workspaces>,
    params: Params,
    /// What the password of an unknown user is checked against, so that the reply takes as long as that for a known one.
    dummy: String,
}

/// The memory of hashes, kept: fresh pages would take a third of the time of a hash.
#[derive(Default)]
struct Workspaces(Mutex<Vec<Vec<Block>>>);

impl Workspaces {
    fn with<T>(&self, blocks: usize, hash: impl FnOnce(&mut [Block]) -> T) -> T {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = kept.unwrap_or_default();
        if workspace.len() < blocks {
            workspace.resize(blocks, Block::default());
        }
        let result = hash(&mut workspace);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        result
    }
}

impl PasswordHasher {
    pub fn new(workers: usize) -> Result<Self, HashError> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(KEY_LENGTH))?;
        let dummy = encode(&params, &Salt::new(&[0; 16])?, &[0; KEY_LENGTH])?;
        Ok(PasswordHasher { slots: Arc::new(Semaphore::new(workers)), workspaces: Arc::default(), params, dummy })
    }

    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        let params = self.params.clone();
        self.run(move |workspaces| {
            let salt = Salt::generate();
            let key = derive(workspaces, &params, password.as_bytes(), &salt, KEY_LENGTH)?;
            encode(&params, &salt, &key)
        })
        .await
    }

    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, HashError> {
        let stored = stored.unwrap_or_else(|| self.dummy.clone());
        self.run(move |workspaces| {
            let stored = PasswordHash::new(&stored)?;
            let (Some(salt), Some(wanted)) = (stored.salt, stored.hash) else {
                return Ok(false);
            };
            let params = Params::try_from(&stored).map_err(|_| argon2::Error::AlgorithmInvalid)?;
            let key = derive(workspaces, &params, password.as_bytes(), &salt, wanted.len())?;
            Ok(Output::new(&key)? == wanted) // in constant time
        })
        .await
    }

    /// A client that goes away takes its place in the queue along, but not a hash that has begun.
    async fn run<T: Send + 'static>(
        &self,
        hash: impl FnOnce(&Workspaces) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let slot = timeout(WAIT, self.slots.clone().acquire_owned()).await;
        let slot = slot.map_err(|_| HashError::Busy)?.expect("it is never closed");
        let workspaces = self.workspaces.clone();
        spawn_blocking(move || {
            let _slot = slot;
            hash(&workspaces)
        })
        .await?
    }
}

fn derive(
    workspaces: &Workspaces,
    params: &Params,
    password: &[u8],
    salt: &Salt,
    length: usize,
) -> Result<Vec<u8>, HashError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut key = vec![0; length];
    workspaces
        .with(params.block_count(), |blocks| argon2.hash_password_into_with_memory(password, salt, &mut key, blocks))?;
    Ok(key)
}

fn encode(params: &Params, salt: &Salt, key: &[u8]) -> Result<String, HashError> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| argon2::Error::AlgorithmInvalid)?,
        salt: Some(*salt),
        hash: Some(Output::new(key)?),
    };
    Ok(hash.to_string())
}
