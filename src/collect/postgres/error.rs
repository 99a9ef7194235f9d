//! What can go wrong with a question to PostgreSQL, in sentences for people and without secrets.

use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::error::SqlState;

/// Longest piece of a server's message that is shown.
const SHOWN: usize = 160;

/// Why a question to PostgreSQL gave nothing usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// No connection.
    #[error("could not connect ({0}): check host, port, `sslmode` and, for TLS, `ca` in the source's dsn")]
    Connect(String),
    /// The server refused with a code of its own.
    #[error("{said} (SQLSTATE {code}){}", remedy(.code))]
    Refused {
        /// SQLSTATE, five characters.
        code: String,
        /// Its message, cut.
        said: String,
    },
    /// The connection broke.
    #[error("the connection broke off ({0}): see the server's log")]
    Broken(String),
    /// No whole answer in time.
    #[error("no whole answer within {:.1} s: see whether the server is overloaded", .0.as_secs_f64())]
    Timeout(Duration),
    /// More than was asked for.
    #[error("the answer goes on beyond {rows} rows or {bytes} bytes and was cut")]
    TooLarge {
        /// Most rows.
        rows: usize,
        /// Most bytes.
        bytes: usize,
    },
    /// An answer of another shape.
    #[error("the answer cannot be read ({0})")]
    Shape(String),
}

impl DbError {
    /// What an error of the client means; `secrets` are struck out of its words.
    pub(super) fn of(error: &tokio_postgres::Error, connecting: bool, secrets: &[String]) -> Self {
        let clean = |text: &str| {
            let line: String = text.chars().filter(|c| !c.is_control()).collect();
            let struck = secrets.iter().fold(line, |line, secret| line.replace(secret, "***"));
            struck.chars().take(SHOWN).collect::<String>()
        };
        if let Some(db) = error.as_db_error() {
            return Self::Refused { code: db.code().code().to_owned(), said: clean(db.message()) };
        }
        let words = match error.source() {
            Some(cause) => clean(&format!("{error}: {cause}")),
            None => clean(&error.to_string()),
        };
        if connecting { Self::Connect(words) } else { Self::Broken(words) }
    }

    /// Where JSON is not what it should be; never what stands there, which may be a literal.
    pub(super) fn shape(error: &serde_json::Error) -> Self {
        Self::Shape(format!("{:?} error in column {}", error.classify(), error.column()))
    }

    /// Whether the connection can be used again after this.
    pub(super) const fn keeps_the_link(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Shape(_))
    }
}

fn remedy(code: &str) -> &'static str {
    let is = |state: SqlState| state.code() == code;
    if is(SqlState::INVALID_PASSWORD) || is(SqlState::INVALID_AUTHORIZATION_SPECIFICATION) {
        ": correct user and password of the dsn, or pg_hba.conf"
    } else if is(SqlState::TOO_MANY_CONNECTIONS) {
        ": the server has no connection left, raise max_connections or lower the service's pool"
    } else if is(SqlState::INSUFFICIENT_PRIVILEGE) {
        ": GRANT pg_read_all_stats TO the user of the dsn"
    } else if is(SqlState::INVALID_CATALOG_NAME) {
        ": correct the name of the database in the dsn"
    } else if is(SqlState::QUERY_CANCELED) {
        ": the question took longer than its time limit"
    } else {
        ""
    }
}
