//! One connection to Redis: one command at a time, bounded in time.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, TlsCertificates, Value};
use url::Url;

use super::error::RedisError;
use crate::collect::http::SetupError;
use crate::collect::tls;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for an answer. A server that is stalled by one slow command is just what is looked for, so this
/// is well above the half second of the client library.
const ANSWER: Duration = Duration::from_secs(5);
/// Shorter passwords are too common in ordinary text to be searched for.
const SHORTEST_SECRET: usize = 4;

/// A server, ready to be connected to.
#[derive(Clone)]
pub struct Source {
    /// Service it stands for.
    pub(super) service: String,
    client: Client,
    shown: String,
    secrets: Vec<String>,
}

impl fmt::Debug for Source {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("address", &self.shown).finish_non_exhaustive()
    }
}

impl Source {
    /// A server by its address: `redis://user:password@host:6379/0`, or `rediss://` for TLS.
    ///
    /// # Errors
    /// If the address is not understood (it is not shown: it may hold a password), or `ca` is not usable.
    pub fn new(service: &str, url: &str, ca: Option<&Path>) -> Result<Self, SetupError> {
        let bad = || SetupError::Address(NO_URL);
        let address = Url::parse(url).map_err(|_| bad())?;
        if !matches!(address.scheme(), "redis" | "rediss") || address.host_str().is_none() {
            return Err(bad());
        }
        // The client asks for the process' provider; whoever comes first sets it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let root_cert = ca.map(tls::pem).transpose()?;
        let client = if address.scheme() == "rediss" {
            Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert })
        } else {
            Client::open(url)
        };
        let client = client.map_err(|_| bad())?;
        let password = client.get_connection_info().redis_settings().password().map(str::to_owned);
        let encoded = address.password().map(str::to_owned);
        let secrets = password.into_iter().chain(encoded).filter(|p| p.len() >= SHORTEST_SECRET).collect();
        let host = address.host_str().unwrap_or_default();
        let shown = format!("{}://{host}:{}", address.scheme(), address.port().unwrap_or(6379));
        Ok(Self { service: service.to_owned(), client, shown, secrets })
    }

    /// Scheme, host and port, for messages.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// A new connection.
    ///
    /// # Errors
    /// If there is none within a few seconds, or the password is refused.
    pub async fn open(&self) -> Result<Link, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = connecting.await.map_err(|e| RedisError::of(&e, true, &self.secrets))?;
        Ok(Link { connection, secrets: self.secrets.clone() })
    }
}

const NO_URL: &str = "`url` is no address of Redis: write redis://user:${PASSWORD}@host:6379 (rediss:// for TLS) \
    and percent-encode special characters of the password";

/// A connection. Dropping it closes it.
pub struct Link {
    connection: MultiplexedConnection,
    secrets: Vec<String>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// The answer to one command, e.g. `["INFO", "all"]`.
    ///
    /// # Errors
    /// If the server refuses or does not answer.
    pub async fn ask(&mut self, words: &[&str]) -> Result<Value, RedisError> {
        let mut command = Cmd::new();
        words.iter().for_each(|word| _ = command.arg(*word));
        self.send(&command).await
    }

    pub(super) async fn send(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        let answer = command.query_async(&mut self.connection).await;
        answer.map_err(|e| RedisError::of(&e, false, &self.secrets))
    }
}
