//! A request of the scenario, ready to be sent and judged.

use std::time::Duration;

use super::expect;
use super::http1::body::Keep;
use super::http1::request::{Own, content_length};
use super::script::{Context, Rendered, Step, Values};
use super::wire::{Message, Prepared, Wire};
use crate::scenario::{Expectation, Request, Target};
use crate::time::nanos;

/// A request, compiled.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) step: Step,
    /// Its bytes, where every hit sends the same.
    pub(crate) fixed: Option<Prepared>,
    pub(crate) expect: Expectation,
    /// What of an answer is looked at.
    pub(crate) keep: Keep,
    /// Nanoseconds from sending to the last byte.
    pub(crate) timeout: u64,
}

/// What all templates of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common<'a> {
    pub(crate) target: &'a Target,
    pub(crate) wire: &'a Wire,
    /// Whether answers may set cookies that come back, or redirect to where a hit goes on.
    pub(crate) heads: bool,
}

impl Template {
    pub(crate) fn new(request: &Request, step: &Step, values: &Values, common: Common<'_>) -> Self {
        let Common { target, .. } = common;
        let body = expect::needs_body(&request.expect) || step.judge.needs_body();
        // A server may encode a body unasked, or because a header of the scenario's own asked for it: the head tells.
        let head = common.heads || body || step.judge.needs_head();
        let timeout = request.timeout.unwrap_or(target.timeout).max(Duration::from_millis(1));
        Self {
            fixed: step.recipe.is_fixed().then(|| prepared(step, values, common)).flatten(),
            step: step.clone(),
            expect: request.expect.clone(),
            keep: Keep { head, body },
            timeout: nanos(timeout),
        }
    }

    /// The body that goes with a request of `method`, as it is filled in: a redirect that changes the method leaves
    /// it behind.
    pub(crate) fn body<'a>(&'a self, method: &str, rendered: Option<&'a Rendered>) -> Option<&'a [u8]> {
        let recipe = &self.step.recipe;
        recipe.body(rendered).filter(|_| method == recipe.method())
    }
}

/// The bytes of a request without variables.
fn prepared(step: &Step, values: &Values, common: Common<'_>) -> Option<Prepared> {
    let mut rendered = Rendered::default();
    step.recipe.render(values, &Context::default(), &mut rendered).ok()?;
    let (method, body) = (step.recipe.method(), step.recipe.body(Some(&rendered)));
    let message = Message { method, path: &rendered.path, body };
    let content_length = content_length(method, body);
    let own = Own { keep_alive: common.target.keep_alive, content_length };
    let mut head = Vec::new();
    let trace_at = common.wire.write(message, step.recipe.headers(&rendered), own, &mut head);
    Some(Prepared { head, trace_at, path: rendered.path })
}
