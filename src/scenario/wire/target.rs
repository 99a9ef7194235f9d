//! The shape of `[target]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Headers, OneOrMany};
use crate::scenario::scalar::{Checked, Placed};
use crate::scenario::units::{Count, Time};

/// The system under test: `url` or `demo`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Target {
    /// Address of a service that runs already: `http://` or `https://`, host and port.
    #[schemars(extend("examples" = ["http://127.0.0.1:8080"]))]
    pub(in crate::scenario) url: Option<Checked<String>>,
    /// The embedded demo target, started for this run.
    pub(in crate::scenario) demo: Option<Placed<Demo>>,
    /// Headers sent with every request, in the order written.
    pub(in crate::scenario) headers: Option<Headers>,
    /// Headers that tie a request to its trace, besides `traceparent`. `x-trace-id`: the trace id alone, for services
    /// that know no `traceparent`. `baggage`: the run's id and the scenario's name. Default: none.
    #[schemars(extend("examples" = [["x-trace-id", "baggage"]]))]
    pub(in crate::scenario) trace_headers: Option<Vec<Checked<String>>>,
    /// Time limit of a request, from sending to the last byte.
    #[schemars(extend("default" = "10s"))]
    pub(in crate::scenario) timeout: Option<Checked<Time>>,
    /// Whether connections are used again.
    #[schemars(extend("default" = true))]
    pub(in crate::scenario) keep_alive: Option<Checked<bool>>,
    /// Version of HTTP: `1.1`, or `2` (by ALPN over TLS, by prior knowledge without).
    #[schemars(extend("default" = "1.1", "enum" = ["1.1", "2"]))]
    pub(in crate::scenario) http_version: Option<Checked<String>>,
    /// HTTP/2: requests under way on one connection at the same time, at the most.
    #[schemars(extend("default" = 100, "minimum" = 1, "maximum" = 1000))]
    pub(in crate::scenario) streams: Option<Checked<Count>>,
    /// Address or addresses to connect to instead of those that the host's name has; IPv6 in brackets.
    #[schemars(extend("examples" = ["127.0.0.1:8443", ["10.0.0.1:443", "[::1]:443"]]))]
    pub(in crate::scenario) resolve: Option<OneOrMany>,
    /// Name for SNI and for the certificate's check instead of the host of `url`.
    pub(in crate::scenario) server_name: Option<Checked<String>>,
    /// PEM file of an own certificate authority, relative to the scenario file.
    pub(in crate::scenario) ca: Option<Checked<String>>,
    /// PEM file of the client's certificate chain, relative to the scenario file.
    pub(in crate::scenario) client_certificate: Option<Checked<String>>,
    /// PEM file of the client's private key, relative to the scenario file.
    pub(in crate::scenario) client_key: Option<Checked<String>>,
    /// Whether a certificate that does not verify is accepted.
    #[schemars(extend("default" = false))]
    pub(in crate::scenario) insecure: Option<Checked<bool>>,
    /// HTTP proxy, credentials included if it needs them.
    #[schemars(extend("examples" = ["http://127.0.0.1:3128", "http://${PROXY_USER}:${PROXY_PASSWORD}@10.0.0.9:3128"]))]
    pub(in crate::scenario) proxy: Option<Checked<String>>,
    /// Content codings that are asked for. Default: none.
    #[schemars(extend("examples" = [["gzip", "br", "zstd"]]))]
    pub(in crate::scenario) compression: Option<Vec<Checked<String>>>,
    /// Whether a user keeps the cookies that answers set, for its own later requests.
    #[schemars(extend("default" = true))]
    pub(in crate::scenario) cookies: Option<Checked<bool>>,
    /// Redirects that are followed within one hit at the most; 0: the redirect is the answer.
    #[schemars(extend("default" = 0, "maximum" = 20))]
    pub(in crate::scenario) redirects: Option<Checked<Count>>,
    /// How every request proves who sends it, unless it says otherwise.
    pub(in crate::scenario) auth: Option<Placed<Auth>>,
    /// Hosts besides loopback and private addresses that load may go to.
    #[schemars(extend("examples" = [["shop.staging.example.com"]]))]
    pub(in crate::scenario) allow: Option<Vec<Checked<String>>>,
}

/// The embedded demo target and the setting that changes during the run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Demo {
    /// Setting that is switched on. Default: none, the target stays healthy.
    #[schemars(extend("enum" = ["reprice", "stock-audit"]))]
    pub(in crate::scenario) switch: Option<Checked<String>>,
    /// When it is switched on, from the start of the run. Default: half of the load's duration.
    pub(in crate::scenario) at: Option<Checked<Time>>,
}

/// How a request proves who sends it: `basic` or `bearer`. Texts may hold variables.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Auth {
    /// User name and password (RFC 7617).
    pub(in crate::scenario) basic: Option<Placed<Basic>>,
    /// A token (RFC 6750).
    #[schemars(extend("examples" = ["${TOKEN}", "${token}"]))]
    pub(in crate::scenario) bearer: Option<Checked<String>>,
}

/// User name and password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Basic {
    /// User name, without a colon.
    #[schemars(required)]
    pub(in crate::scenario) user: Option<Checked<String>>,
    /// Password.
    #[schemars(required, extend("examples" = ["${PASSWORD}"]))]
    pub(in crate::scenario) password: Option<Checked<String>>,
}
