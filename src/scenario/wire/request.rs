//! The shape of `[[request]]` and of its relatives: they have most keys in common, and flattening would lose
//! the place of every error inside, so a macro writes the common ones into each.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AnswerCheck, Auth, Extracts, Headers, Pause, Thresholds};
use crate::scenario::scalar::{Checked, Placed};
use crate::scenario::units::{Count, Time};

/// Tables of the listed names, each with the common keys and its own.
macro_rules! requests {
    (common $common:tt $($(#[$meta:meta])* $table:ident $own:tt)*) => {
        requests!(@common $common);
        $(requests!(@table $common $(#[$meta])* $table $own);)*
    };
    (@common { $($(#[$meta:meta])* $key:ident: $kind:ty,)* }) => {
        /// The keys that all requests have.
        #[derive(Debug)]
        pub(in crate::scenario) struct Common {
            $(pub(in crate::scenario) $key: Option<$kind>,)*
        }
    };
    (
        @table { $($(#[$meta:meta])* $key:ident: $kind:ty,)* }
        $(#[$table_meta:meta])* $table:ident { $($(#[$own_meta:meta])* $own:ident: $own_kind:ty,)* }
    ) => {
        $(#[$table_meta])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
        pub(in crate::scenario) struct $table {
            $($(#[$meta])* pub(in crate::scenario) $key: Option<$kind>,)*
            $($(#[$own_meta])* pub(in crate::scenario) $own: Option<$own_kind>,)*
        }

        impl $table {
            /// Takes the common keys out.
            pub(in crate::scenario) fn common(&mut self) -> Common {
                Common { $($key: self.$key.take(),)* }
            }
        }
    };
}

requests! {
    common {
        /// Stable name in reports and files. Default: the method and the path without its query, as written.
        name: Checked<String>,
        /// Path and query of a GET.
        get: Checked<String>,
        /// Path and query of a POST.
        post: Checked<String>,
        /// Path and query of a PUT.
        put: Checked<String>,
        /// Path and query of a PATCH.
        patch: Checked<String>,
        /// Path and query of a DELETE.
        delete: Checked<String>,
        /// Path and query of a HEAD.
        head: Checked<String>,
        /// Path and query of an OPTIONS.
        options: Checked<String>,
        /// Own headers, sent after those of the target; values may hold variables.
        headers: Headers,
        /// Body, as text; may hold variables.
        body: Checked<String>,
        /// File that holds the body, relative to the scenario file; sent as it is.
        body_file: Checked<String>,
        /// File that holds the body with variables, relative to the scenario file; UTF-8.
        body_template: Checked<String>,
        /// How the request proves who sends it. Default: as the target says.
        auth: Placed<Auth>,
        /// What makes an answer a success. Default: a status from 200 to 399.
        expect: Expectation,
        /// Named conditions on the answer; each that does not hold is counted under its name.
        check: Vec<Placed<AnswerCheck>>,
        /// Variables, and where in the answer their values are.
        #[schemars(extend("examples" = [{ "token": { "json": "$.token" } }]))]
        extract: Extracts,
        /// Own time limit. Default: that of the target.
        timeout: Checked<Time>,
    }

    /// A template of requests: one method with its path, and what makes an answer a success.
    Request {
        /// Share of the arrivals, relative to the other requests and journeys.
        #[schemars(extend("default" = 1, "minimum" = 1))]
        weight: Checked<Count>,
        /// Limits of this request.
        thresholds: Thresholds,
    }

    /// A step of a journey: a request and the pause after it.
    Step {
        /// Pause of the user after this step, if another follows: a duration, or drawn evenly from a range.
        think_time: Pause,
        /// Limits of this request.
        thresholds: Thresholds,
    }

    /// A request that is sent once, before or after the load; it is no part of what is measured.
    Call {}
}

/// What makes an answer a success.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(in crate::scenario) struct Expectation {
    /// Statuses that pass. Default: 200 to 399.
    #[schemars(extend("examples" = [[200], [200, 404]]))]
    pub(in crate::scenario) status: Option<Vec<Checked<Count>>>,
    /// Text that the body must contain.
    pub(in crate::scenario) body_contains: Option<Checked<String>>,
    /// Regular expression that the body must match.
    pub(in crate::scenario) body_matches: Option<Checked<String>>,
}
