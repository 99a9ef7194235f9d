//! What can be known before any load is sent: does the target answer, what does each source of evidence give.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use url::Url;

use super::RecordError;
use crate::collect::mask::masked;
use crate::collect::preflight::{SourceCheck, check_all};
use crate::load;
use crate::run::manifest::SourceFacts;
use crate::scenario::{Scenario, text};

/// The target has this long to begin its answer, and longer where the scenario gives the request more.
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

/// An answer of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetCheck {
    /// What was asked, secrets masked.
    pub url: String,
    /// Its status; any is an answer. None for HTTP/2, where the server's settings are the answer.
    pub status: Option<u16>,
    /// From connecting to the head of the answer.
    pub took: Duration,
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

/// Through the load's own connections: whatever stands in their way, stands in the way of this question too.
async fn ask_target(scenario: &Scenario, base: &Url) -> Result<TargetCheck, String> {
    // Only a GET may be sent without being asked for; any answer at all shows that somebody is there.
    let mut plain = scenario.requests.iter().filter(|r| r.method == "GET" && !text::has_variables(&r.path));
    let asked = plain.next();
    let path = asked.map_or("/", |r| r.path.as_str());
    let patience = asked.map_or(PATIENCE, |r| r.timeout.unwrap_or(scenario.target.timeout).max(PATIENCE));
    let whole = format!("{}{path}", base.as_str().trim_end_matches('/'));
    let url = masked(&Url::parse(&whole).unwrap_or_else(|_| base.clone()));
    let mut target = scenario.target.clone();
    // Nobody has given them a value yet; an answer of 401 will do.
    target.headers.retain(|(_, value)| !text::has_variables(value));
    match load::ask(&target, base, path, patience).await {
        Ok(answer) => Ok(TargetCheck { url, status: answer.status, took: answer.took }),
        Err(e) => Err(format!("{url}: {e}")),
    }
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
