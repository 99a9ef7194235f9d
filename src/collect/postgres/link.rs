//! One connection to PostgreSQL: simple queries, one at a time, bounded in rows, bytes and time.

use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::DbError;
use crate::collect::http::SetupError;
use crate::collect::tls;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// A connection has this long to say goodbye.
const GOODBYE: Duration = Duration::from_millis(100);
/// Shorter passwords are too common in ordinary text to be searched for.
const SHORTEST_SECRET: usize = 4;

/// Bounds of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rows.
    pub rows: usize,
    /// Most bytes in all.
    pub bytes: usize,
    /// From asking to the last row; the server itself gives up half a second before, if that is positive.
    pub time: Duration,
}

/// A server, ready to be connected to.
#[derive(Clone)]
pub struct Source {
    /// Service it stands for.
    pub(super) service: String,
    config: Config,
    tls: MakeRustlsConnect,
    secrets: Vec<String>,
}

impl fmt::Debug for Source {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("address", &self.shown()).finish_non_exhaustive()
    }
}

impl Source {
    /// A server by its address: `postgres://user:password@host:5432/database?sslmode=require`, or
    /// `host=.. user=.. dbname=..`. TLS always checks the certificate, whatever `sslmode` says.
    ///
    /// # Errors
    /// If the address is not understood (it is not shown: it may hold a password), or `ca` is not usable.
    pub fn new(service: &str, dsn: &str, ca: Option<&Path>) -> Result<Self, SetupError> {
        // libpq's two stricter words for what is always done here.
        let plain = dsn.replace("sslmode=verify-full", "sslmode=require");
        let plain = plain.replace("sslmode=verify-ca", "sslmode=require");
        let mut config: Config = plain.parse().map_err(|_| SetupError::Address(NO_DSN))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(SetupError::Address(NO_DSN));
        }
        config.application_name("loadprof").connect_timeout(CONNECT);
        let password = config.get_password().map(|p| String::from_utf8_lossy(p).into_owned());
        let secrets = password.into_iter().filter(|p| p.len() >= SHORTEST_SECRET).collect();
        let tls = MakeRustlsConnect::new(tls::config(ca)?);
        Ok(Self { service: service.to_owned(), config, tls, secrets })
    }

    /// Host, port and database, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        let host = match (self.config.get_hosts().first(), self.config.get_hostaddrs().first()) {
            (Some(tokio_postgres::config::Host::Tcp(name)), _) => name.clone(),
            (Some(tokio_postgres::config::Host::Unix(path)), _) => path.display().to_string(),
            (None, Some(address)) => address.to_string(),
            (None, None) => String::new(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("postgres://{host}:{port}/{database}")
    }

    /// A new connection.
    ///
    /// # Errors
    /// If there is none within a few seconds.
    pub async fn open(&self) -> Result<Link, DbError> {
        let connecting = self.config.connect(self.tls.clone());
        let outcome = tokio::time::timeout(CONNECT, connecting).await;
        let connected = outcome.map_err(|_| DbError::Timeout(CONNECT))?;
        let (client, connection) = connected.map_err(|e| DbError::of(&e, true, &self.secrets))?;
        let mut driver = JoinSet::new();
        // Its end is seen by the next question.
        driver.spawn(async move { _ = connection.await });
        Ok(Link { client, driver, secrets: self.secrets.clone() })
    }
}

const NO_DSN: &str = "`dsn` is no address of PostgreSQL: write postgres://user:${PASSWORD}@host:5432/database, \
    percent-encode special characters of the password, and let sslmode be disable, prefer or require";

/// A connection. Dropping it closes it.
pub struct Link {
    client: Client,
    /// Moves the bytes; ended when dropped.
    driver: JoinSet<()>,
    secrets: Vec<String>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// Rows of one query whose only column is JSON (`SELECT row_to_json(..)`), with a time limit of its
    /// own.
    ///
    /// # Errors
    /// If the server refuses, is too slow or answers too much; see [`DbError`] for which of them the connection
    /// survives.
    pub async fn rows<T: DeserializeOwned>(&self, sql: &str, limits: Limits) -> Result<Vec<T>, DbError> {
        let texts = self.texts(&alone(sql, limits.time), limits).await?;
        let parsed = texts.iter().map(|text| serde_json::from_str(text));
        parsed.collect::<Result<_, _>>().map_err(|e| DbError::shape(&e))
    }

    /// First column of all rows of one or several statements, as text.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub(super) async fn texts(&self, sql: &str, limits: Limits) -> Result<Vec<String>, DbError> {
        let reading = async {
            let mut texts = Vec::new();
            let mut bytes = 0;
            let of = |e| DbError::of(&e, false, &self.secrets);
            let mut stream = pin!(self.client.simple_query_raw(sql).await.map_err(of)?);
            while let Some(message) = stream.next().await {
                let SimpleQueryMessage::Row(row) = message.map_err(of)? else { continue };
                let text = row.try_get(0).map_err(of)?.unwrap_or_default();
                bytes += text.len();
                if texts.len() >= limits.rows || bytes > limits.bytes {
                    return Err(DbError::TooLarge { rows: limits.rows, bytes: limits.bytes });
                }
                texts.push(text.to_owned());
            }
            Ok(texts)
        };
        tokio::time::timeout(limits.time, reading).await.map_err(|_| DbError::Timeout(limits.time))?
    }

    /// Says goodbye, so that the server's log has nothing to complain of.
    pub(super) async fn close(self) {
        let Self { client, mut driver, .. } = self;
        drop(client);
        let _ = tokio::time::timeout(GOODBYE, driver.join_next()).await;
    }
}

/// One question with a time limit that ends with it. Two statements sent at once are one transaction without
/// `BEGIN` and `COMMIT`, which would count among those of the service in `pg_stat_statements`.
fn alone(sql: &str, time: Duration) -> String {
    let millis = time.saturating_sub(Duration::from_millis(500)).as_millis().max(100);
    format!("SET LOCAL statement_timeout = {millis}; {sql}")
}
