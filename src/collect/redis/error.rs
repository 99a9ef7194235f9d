//! What can go wrong with a question to Redis, in sentences for people and without secrets.

/// Longest piece of a message that is shown.
const SHOWN: usize = 160;

/// Why a question to Redis gave nothing usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// No connection.
    #[error("could not connect ({0}): check host, port and, for rediss://, `ca` of the source")]
    Connect(String),
    /// The server refused.
    #[error("{said}{}", remedy(.said))]
    Refused {
        /// Its message, cut.
        said: String,
    },
    /// The connection broke, or the answer did not come in time.
    #[error("no answer ({0}): a command that takes long keeps the whole server from answering")]
    Broken(String),
    /// An answer of another shape.
    #[error("the answer to {0} is of another shape than expected")]
    Shape(&'static str),
}

impl RedisError {
    /// What an error of the client means; `secrets` are struck out of its words.
    pub(super) fn of(error: &redis::RedisError, connecting: bool, secrets: &[String]) -> Self {
        let line: String = error.to_string().chars().filter(|c| !c.is_control()).collect();
        let struck = secrets.iter().fold(line, |line, secret| line.replace(secret, "***"));
        let words: String = struck.chars().take(SHOWN).collect();
        if error.code().is_some() || error.kind() == redis::ErrorKind::AuthenticationFailed {
            return Self::Refused { said: words };
        }
        if connecting { Self::Connect(words) } else { Self::Broken(words) }
    }

    /// Whether the connection can be used again after this.
    pub(super) const fn keeps_the_link(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Shape(_))
    }
}

fn remedy(said: &str) -> &'static str {
    if said.contains("NOPERM") {
        ": give the user ACL SETUSER <user> +info +slowlog|get +latency|latest +latency|histogram +config|get"
    } else if said.contains("NOAUTH") || said.contains("WRONGPASS") || said.contains("AuthenticationFailed") {
        ": write user and password in the source's url, redis://user:${PASSWORD}@host:6379"
    } else {
        ""
    }
}
