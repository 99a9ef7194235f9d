//! What a scenario's requests do with data, without sockets: variables, feeders, and what answers give.
//!
//! [`Script::compile`] does once what can be done once; the session then calls, for every step of a journey,
//! [`Recipe::render`] before the request and [`Judge::judge`] after the answer. Nothing here waits. A step
//! that is [`Step::is_plain`] needs neither call.
//!
//! - `values`, `text`: variables and the texts they stand in. `records`, `feeder`, `turns`: where they come
//!   from.
//! - `recipe`: requests. `answer`, `decode`: answers. `extract`, `checks`, `judge`: what is looked for there.
//! - `cookies`: the cookies of a user.

mod answer;
mod checks;
mod cookies;
mod decode;
mod extract;
mod feeder;
#[cfg(test)]
mod fuzz_smoke;
mod judge;
mod recipe;
mod records;
#[cfg(test)]
mod tests;
mod text;
mod turns;
mod values;

use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub(crate) use answer::Answer;
pub(crate) use cookies::{Jar, Site};
pub use extract::BadPath;
pub(crate) use judge::{Fault, Judge, Tools};
pub(crate) use recipe::{Recipe, Rendered};
pub use records::FeederError;
pub(crate) use turns::Turns;
pub(crate) use values::{Begin, Context, Globals, Missing, Taker, Values};

use super::choice::below;
use super::http1::request::RequestError;
use crate::scenario::{Pause, Request, Scenario};
use checks::BadCheck;
use feeder::Feeder;
use recipe::BadRecipe;
use text::UnknownVariable;
use values::{Names, Shared};

/// Keeps the draws for different purposes apart.
const PAUSE: u64 = 0x7061_7573_6500_0000;

/// Why a scenario's requests cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Nothing gives a variable its value.
    #[error(
        "request `{request}`: nothing gives `${{{variable}}}` a value; extract it in an earlier step, \
         name a feeder's column, or write `$${{` for the characters themselves"
    )]
    Variable {
        /// Name of the request.
        request: String,
        /// Name of the variable.
        variable: String,
    },
    /// A JSONPath that is none.
    #[error("request `{request}`: {source}")]
    Path {
        /// Name of the request.
        request: String,
        /// What is wrong with it.
        source: BadPath,
    },
    /// A request that cannot be put on the wire.
    #[error("request `{request}`: {source}")]
    Request {
        /// Name of the request.
        request: String,
        /// What is wrong with it.
        source: RequestError,
    },
    /// A template that is no text.
    #[error("request `{request}`: variables can be replaced in a body in UTF-8 only; save it as UTF-8")]
    BodyEncoding {
        /// Name of the request.
        request: String,
    },
    /// A feeder file that cannot be used.
    #[error(transparent)]
    Feeder(#[from] FeederError),
}

/// A request of the scenario, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) recipe: Recipe,
    pub(crate) judge: Judge,
    pause: Pause,
}

impl Step {
    fn compile(
        scenario: &Scenario,
        base: &Url,
        request: &Request,
        names: &mut Names,
    ) -> Result<Self, ScriptError> {
        let name = || request.name.clone();
        let unknown = |UnknownVariable(variable)| ScriptError::Variable { request: name(), variable };
        let recipe = Recipe::compile(base, &scenario.target, request, names).map_err(|e| match e {
            BadRecipe::Request(source) => ScriptError::Request { request: name(), source },
            BadRecipe::Variable(variable) => unknown(variable),
            BadRecipe::BodyEncoding => ScriptError::BodyEncoding { request: name() },
        })?;
        let judge = Judge::compile(&request.checks, &request.extract, names).map_err(|e| match e {
            BadCheck::Path(source) => ScriptError::Path { request: name(), source },
            BadCheck::Variable(variable) => unknown(variable),
        })?;
        Ok(Self { recipe, judge, pause: request.think_time })
    }

    /// Whether every hit sends the same bytes and nothing is looked for in the answer.
    pub(crate) fn is_plain(&self) -> bool {
        self.recipe.is_fixed() && self.judge.is_empty()
    }

    fn feeders(&self) -> impl Iterator<Item = usize> {
        self.recipe.feeders().chain(self.judge.feeders())
    }
}

/// Steps that are done one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// Indices of the steps.
    pub(crate) steps: std::ops::Range<usize>,
    /// Feeders that give it a record: those whose columns it uses.
    pub(crate) feeders: Vec<usize>,
}

impl Course {
    fn new(steps: std::ops::Range<usize>, all: &[Step]) -> Self {
        let mut feeders: Vec<usize> = all[steps.clone()].iter().flat_map(Step::feeders).collect();
        feeders.sort_unstable();
        feeders.dedup();
        Self { steps, feeders }
    }
}

/// A scenario's requests and journeys, compiled; all threads share it.
#[derive(Debug)]
pub(crate) struct Script {
    /// The scenario's requests in order.
    pub(crate) steps: Vec<Step>,
    /// The scenario's journeys in order.
    pub(crate) journeys: Vec<Course>,
    /// Requests before the load, and their course.
    pub(crate) setup: (Vec<Step>, Course),
    /// Requests after the load, and their course.
    pub(crate) teardown: (Vec<Step>, Course),
    cookies: bool,
    shared: Arc<Shared>,
    globals: Arc<Globals>,
}

impl Script {
    /// Compiles a scenario for the target at `base` and reads its feeders.
    ///
    /// # Errors
    /// [`ScriptError`] names the request or the file, and the remedy.
    pub(crate) fn compile(scenario: &Scenario, base: &Url) -> Result<Self, ScriptError> {
        let mut names = Names::default();
        // All names first: a text may stand before the step that gives its variable a value.
        for request in scenario.setup.iter().chain(&scenario.requests).chain(&scenario.teardown) {
            for extract in &request.extract {
                names.define(&extract.variable);
            }
        }
        scenario.feeders.iter().for_each(|f| names.define_feeder(&f.name));
        let mut compile = |requests: &[Request]| {
            let step = |request| Step::compile(scenario, base, request, &mut names);
            requests.iter().map(step).collect::<Result<Vec<_>, _>>()
        };
        let course = |steps: Vec<Step>| {
            let course = Course::new(0..steps.len(), &steps);
            (steps, course)
        };
        let setup = course(compile(&scenario.setup)?);
        let teardown = course(compile(&scenario.teardown)?);
        let steps = compile(&scenario.requests)?;
        let feeders = scenario.feeders.iter().enumerate();
        let load = |(n, f)| Feeder::load(f, names.columns(n), scenario.load.seed, n);
        let feeders = feeders.map(load).collect::<Result<_, _>>()?;
        Ok(Self {
            journeys: scenario.journeys.iter().map(|j| Course::new(j.steps.clone(), &steps)).collect(),
            steps,
            setup,
            teardown,
            cookies: scenario.target.transport.cookies,
            shared: Arc::new(Shared { names, feeders }),
            globals: Arc::default(),
        })
    }

    /// The variables of a new user.
    pub(crate) fn values(&self) -> Values {
        Values::new(self.shared.clone(), self.globals.clone())
    }

    /// Counts which arrival takes which record; nothing where every arrival takes one, which its number is.
    pub(crate) fn turns(&self) -> Turns {
        let counted = self.journeys.len() > 1 && self.journeys.iter().any(|j| !j.feeders.is_empty());
        Turns::new(if counted { self.shared.feeders.len() } else { 0 })
    }

    /// A feeder of a journey that has fewer records than so many users need: its name and their number.
    pub(crate) fn few_records(&self, users: u64) -> Option<(&str, u64)> {
        let used = self.journeys.iter().flat_map(|j| &j.feeders).map(|f| &self.shared.feeders[*f]);
        used.filter_map(|f| Some((&**f.name(), f.too_few(users)?))).next()
    }

    /// Makes what setup extracted known to every user that begins from now on.
    pub(crate) fn keep_globals(&mut self, setup: &Values) {
        self.globals = Arc::new(setup.to_globals());
    }

    /// The pause after a step, if another follows.
    pub(crate) fn pause(&self, step: usize, context: &Context) -> Duration {
        let Pause { from, to } = self.steps[step].pause;
        let span = u64::try_from(to.saturating_sub(from).as_nanos()).unwrap_or(u64::MAX);
        if span == 0 {
            return from;
        }
        let purpose = PAUSE + step as u64;
        from + Duration::from_nanos(below(context.draw(purpose), span.saturating_add(1)))
    }

    /// Whether the cookies that answers of a journey set can come back in a request: users of the closed model
    /// keep them, those of the open model live for one journey.
    pub(crate) fn keeps_cookies(&self, journey: usize, closed: bool) -> bool {
        self.cookies && (closed || self.journeys[journey].steps.len() > 1)
    }
}
