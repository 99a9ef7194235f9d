//! What can be known before any load is sent: does the target answer, what does each source of evidence give.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use url::Url;

use super::RecordError;
use crate::collect::preflight::{SourceCheck, TargetCheck, check_all, check_target};
use crate::run::manifest::SourceFacts;
use crate::scenario::Scenario;

/// The target must begin to answer within this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Outcome of the preflight.
#[derive(Debug)]
pub struct Preflight {
    /// The target's answer.
    pub target: Result<TargetCheck, String>,
    /// Each source of evidence.
    pub sources: Vec<SourceCheck>,
    /// Facts of the sources by `service/kind`, for the manifest.
    pub facts: BTreeMap<String, SourceFacts>,
}

/// Something that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `target`, or `evidence service/kind`.
    pub of: String,
    /// What was found and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.of, self.what)
    }
}

/// Asks the target and every source of evidence, all at once.
pub async fn preflight(scenario: &Scenario, base: &Url) -> Preflight {
    let (target, sources) = tokio::join!(ask_target(scenario, base), check_all(&scenario.evidence, base));
    let facts = sources.iter().map(|s| (s.key(), s.facts.clone())).collect();
    Preflight { target, sources, facts }
}

async fn ask_target(scenario: &Scenario, base: &Url) -> Result<TargetCheck, String> {
    allowed(scenario, base).await?;
    // Only a GET may be sent without being asked for; any answer at all shows that somebody is there.
    let path = scenario.requests.iter().find(|r| r.method == "GET").map_or("/", |r| r.path.as_str());
    let target = &scenario.target;
    check_target(base, path, PATIENCE, &target.headers, target.transport.ca.as_deref())
        .await
        .map_err(|e| e.to_string())
}

/// A name may lead to a public address: that needs the scenario's word.
async fn allowed(scenario: &Scenario, base: &Url) -> Result<(), String> {
    let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = base.port_or_known_default().unwrap_or(80);
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|e| format!("{host} cannot be resolved ({e}): check target.url"))?;
    for address in addresses {
        if !scenario.target.allows(host, address.ip()) {
            return Err(format!(
                "{host} is {}, neither loopback nor private: load goes there only with \
                 allow = [\"{host}\"] in [target]",
                address.ip()
            ));
        }
    }
    Ok(())
}

impl Preflight {
    /// Everything that cannot be used.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let target =
            self.target.as_ref().err().map(|what| Problem { of: "target".into(), what: what.clone() });
        let sources = self.sources.iter().filter_map(|s| {
            let what = s.facts.problem.clone()?;
            Some(Problem { of: format!("evidence {}", s.key()), what })
        });
        target.into_iter().chain(sources).collect()
    }

    /// No load is sent while the target or a source that the scenario asks for cannot be used.
    pub(super) fn refuse(&self) -> Result<(), RecordError> {
        match self.problems() {
            none if none.is_empty() => Ok(()),
            problems => Err(RecordError::Preflight(problems)),
        }
    }
}
