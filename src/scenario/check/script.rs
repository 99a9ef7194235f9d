//! `[[request]]`, `[[journey]]`, `[[setup]]` and `[[teardown]]`: who sends what after what.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::super::scalar::{Checked, Placed, Span};
use super::super::source::Place;
use super::super::units::{Count, Time};
use super::super::{Feeder, Journey, Pause, Request, slug, wire};
use super::Check;
use super::request::Named;
use super::variables::Scope;

/// Largest weight; sums of weights stay inside 32 bits.
const MAX_WEIGHT: u64 = 1_000_000;
/// Most requests of a scenario, steps of journeys included.
const MAX_REQUESTS: usize = 1000;
/// Most requests before the load, and after it.
const MAX_CALLS: usize = 100;

/// What the requests of a scenario do with each other.
pub(super) struct Script {
    pub(super) requests: Vec<Request>,
    pub(super) journeys: Vec<Journey>,
    pub(super) feeders: Vec<Feeder>,
    pub(super) setup: Vec<Request>,
    pub(super) teardown: Vec<Request>,
}

/// Requests whose names were found to be unique.
#[derive(Default)]
struct Cast {
    requests: Vec<Request>,
    /// Where each name was given first.
    names: HashMap<String, String>,
}

impl Check<'_, '_> {
    pub(super) fn script(&mut self, file: &mut wire::Scenario) -> Script {
        let (feeders, columns) = self.feeders(file.feeder.take());
        let mut before = Scope { feeders: None, extracted: BTreeSet::new() };
        let setup = self.calls(file.setup.take(), &mut before);
        let after = before.clone();
        let scope = Scope { feeders: Some(&columns), extracted: before.extracted };
        let mut cast = Cast::default();
        self.requests(file.request.take(), &scope, &mut cast);
        let mut journeys = Journey::single(&cast.requests);
        self.journeys(file.journey.take(), &scope, &mut cast, &mut journeys);
        if journeys.is_empty() {
            cast.requests = vec![Request::new("GET", "/")];
            journeys = Journey::single(&cast.requests);
            self.judge_targets_texts(&scope, "GET /", false);
        }
        let teardown = self.teardown(file.teardown.take(), &after);
        Script { requests: cast.requests, journeys, feeders, setup, teardown }
    }

    fn requests(&mut self, wire: Option<Vec<Placed<wire::Request>>>, scope: &Scope<'_>, cast: &mut Cast) {
        for (mut wire, span) in wire.into_iter().flatten().map(Placed::into_parts) {
            let weight = self.weight(wire.weight.take());
            let thresholds = self.thresholds(wire.thresholds.take());
            let found = self.request(wire.common(), &span, &mut scope.clone(), None);
            let Some(Named { request, named_at }) = found else { continue };
            self.admit(Request { weight, thresholds, ..request }, named_at, &span, cast);
        }
    }

    fn journeys(
        &mut self,
        wire: Option<Vec<Placed<wire::Journey>>>,
        scope: &Scope<'_>,
        cast: &mut Cast,
        journeys: &mut Vec<Journey>,
    ) {
        for (wire, span) in wire.into_iter().flatten().map(Placed::into_parts) {
            self.require(wire.name.is_some(), &span, "name", "name = \"browse and buy\"");
            let name = self.name(wire.name);
            let weight = self.weight(wire.weight);
            if let Some((name, at)) = &name
                && journeys.iter().any(|j| j.name == *name)
            {
                self.findings.value(at, "is the name of another journey or request: give each its own");
            }
            let name = name.map_or("journey".to_owned(), |(name, _)| name);
            let steps = wire.step.unwrap_or_default();
            if steps.is_empty() {
                self.findings.place(
                    &span,
                    "has no steps: write [[journey.step]] with a method, e.g. get = \"/products\"",
                );
            }
            let first = cast.requests.len();
            let mut scope = scope.clone();
            for (step, span) in steps.into_iter().map(Placed::into_parts) {
                self.step(step, &span, &mut scope, (&name, weight), cast);
            }
            journeys.push(Journey { name, steps: first..cast.requests.len(), weight });
        }
    }

    fn step(
        &mut self,
        mut wire: wire::Step,
        span: &Span,
        scope: &mut Scope<'_>,
        (journey, weight): (&str, u32),
        cast: &mut Cast,
    ) {
        let think_time = self.pause(wire.think_time.take());
        let thresholds = self.thresholds(wire.thresholds.take());
        if let Some(Named { request, named_at }) = self.request(wire.common(), span, scope, Some(journey)) {
            self.admit(Request { weight, thresholds, think_time, ..request }, named_at, span, cast);
        }
    }

    /// Setup requests know what those before them extract.
    fn calls(&mut self, wire: Option<Vec<Placed<wire::Call>>>, scope: &mut Scope<'_>) -> Vec<Request> {
        let mut cast = Cast::default();
        for (mut wire, span) in self.few(wire) {
            let found = self.request(wire.common(), &span, scope, None);
            let Some(Named { request, named_at }) = found else { continue };
            self.admit(request, named_at, &span, &mut cast);
        }
        cast.requests
    }

    /// Teardown requests know what setup extracted, and no more: any of them may have failed.
    fn teardown(&mut self, wire: Option<Vec<Placed<wire::Call>>>, scope: &Scope<'_>) -> Vec<Request> {
        let mut cast = Cast::default();
        for (mut wire, span) in self.few(wire) {
            let found = self.request(wire.common(), &span, &mut scope.clone(), None);
            let Some(Named { request, named_at }) = found else { continue };
            self.admit(request, named_at, &span, &mut cast);
        }
        cast.requests
    }

    fn few(&mut self, wire: Option<Vec<Placed<wire::Call>>>) -> Vec<(wire::Call, Span)> {
        let wire = wire.unwrap_or_default();
        if let Some(beyond) = wire.get(MAX_CALLS) {
            self.findings.place(&beyond.span(), format_args!("more than {MAX_CALLS} requests: merge some"));
        }
        wire.into_iter().map(Placed::into_parts).collect()
    }

    /// Adds a request if its name is its own.
    fn admit(&mut self, mut request: Request, named_at: Option<Span>, span: &Span, cast: &mut Cast) {
        if cast.requests.len() == MAX_REQUESTS {
            self.findings.place(span, format_args!("more than {MAX_REQUESTS} requests: merge some"));
        }
        let place = self.where_is(span);
        if let Some(first) = cast.names.insert(request.name.clone(), place) {
            let remedy = "give each request its own name";
            let message = format!("a request of {first} is named {:?} too: {remedy}", request.name);
            match named_at {
                Some(at) => self.findings.value(&at, message),
                None => self.findings.place(span, message),
            }
        }
        request.slug = unique_slug(&request.name, &cast.requests);
        cast.requests.push(request);
    }

    fn where_is(&self, span: &Span) -> String {
        match self.source.place(span) {
            Place::File { line, .. } => format!("line {line}"),
            Place::Override(_) => "an override".into(),
        }
    }

    fn weight(&mut self, weight: Option<Checked<Count>>) -> u32 {
        // At most MAX_WEIGHT.
        self.count_in(weight, 1, MAX_WEIGHT).and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1)
    }

    fn pause(&mut self, pause: Option<wire::Pause>) -> Pause {
        match pause {
            None => Pause::default(),
            Some(wire::Pause::Fixed(time)) => {
                let time = self.findings.take_or(Some(time), Time(Duration::ZERO)).0;
                Pause { from: time, to: time }
            }
            Some(wire::Pause::Range(range, span)) => {
                self.require(range.from.is_some(), &span, "from", "{ from = \"1s\", to = \"3s\" }");
                self.require(range.to.is_some(), &span, "to", "{ from = \"1s\", to = \"3s\" }");
                let from = self.findings.take(range.from);
                let to = self.findings.take(range.to);
                let (Some((from, _)), Some((to, at))) = (from, to) else { return Pause::default() };
                if to.0 < from.0 {
                    self.findings.value(&at, format_args!("is shorter than `from`, {:?}: swap them", from.0));
                }
                Pause { from: from.0, to: to.0 }
            }
        }
    }
}

/// Names that differ only in punctuation get numbers.
fn unique_slug(name: &str, others: &[Request]) -> String {
    let plain = slug(name);
    let taken = |slug: &str| others.iter().any(|r| r.slug == slug);
    let numbered = (2..).map(|n| format!("{plain}-{n}"));
    std::iter::once(plain.clone()).chain(numbered).find(|slug| !taken(slug)).unwrap_or(plain)
}
