//! What one user knows: values, cookies, and the request that was made of them.

use std::cell::RefCell;

use super::expect;
use super::hit::Problem;
use super::http1::body::Body;
use super::http1::request::{Own, content_length};
use super::plan::Plan;
use super::script::{Answer, Begin, Context, Jar, Missing, Rendered, Site, Taker, Tools, Values};
use super::stamp;
use super::template::Template;
use super::wire::Message;

thread_local! {
    /// Buffers that judging uses; it never waits, so a thread needs one set.
    static TOOLS: RefCell<Tools> = RefCell::default();
}

/// A user of the closed model, or the maker of one arrival.
#[derive(Debug)]
pub(crate) struct Person {
    values: Values,
    jar: Jar,
    rendered: Rendered,
    context: Context,
    /// The `cookie` header of the request under way.
    cookie: Vec<u8>,
}

impl Person {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            values: plan.script.values(),
            jar: Jar::default(),
            rendered: Rendered::default(),
            context: Context { seed: plan.seed, ..Context::default() },
            cookie: Vec::new(),
        }
    }

    /// What it has extracted.
    pub(crate) const fn values(&self) -> &Values {
        &self.values
    }

    /// The request that was filled in last: the one under way, unless that has no variables and nobody keeps
    /// cookies.
    pub(crate) const fn rendered(&self) -> &Rendered {
        &self.rendered
    }

    /// Begins journey `seq`: of a user, that keeps its cookies, or of an arrival.
    pub(crate) fn begin(&mut self, feeders: &[usize], seq: u64, taker: Taker<'_>) -> Begin {
        self.context.seq = seq;
        self.context.vu = match taker {
            Taker::User(vu) => vu,
            Taker::Arrival(_) => {
                self.jar.clear();
                0
            }
        };
        self.values.begin_journey(feeders, seq, taker)
    }

    /// A request begins now, for its values, its cookies and its checks, also if it is the same each time.
    pub(crate) fn begin_request(&mut self) {
        self.context.now = u64::try_from(stamp::wall().as_millis()).unwrap_or(u64::MAX);
    }

    /// Writes a request with its values and cookies; gives where its trace begins.
    pub(crate) fn write(
        &mut self,
        plan: &Plan,
        template: &Template,
        head: &mut Vec<u8>,
    ) -> Result<usize, Missing> {
        let recipe = &template.step.recipe;
        recipe.render(&self.values, &self.context, &mut self.rendered)?;
        self.choose_cookies(plan, template, None);
        let body = recipe.body(Some(&self.rendered));
        let message = Message { method: recipe.method(), path: &self.rendered.path, body };
        let content_length = content_length(message.method, body);
        let own = Own { keep_alive: plan.keep_alive, content_length };
        head.clear();
        Ok(plan.wire.write(message, recipe.headers(&self.rendered).chain(self.cookie()), own, head))
    }

    /// Chooses the cookies for a request to `path`, if not to the one that was filled in; none if the scenario
    /// writes that header itself.
    pub(crate) fn choose_cookies(&mut self, plan: &Plan, template: &Template, path: Option<&[u8]>) {
        self.cookie.clear();
        if plan.cookies && !template.step.recipe.has_header("cookie") {
            let site = plan.site(path.unwrap_or(&self.rendered.path));
            self.jar.header(&site, self.context.now, &mut self.cookie);
        }
    }

    /// The header of the cookies that were chosen, unless there are none.
    pub(crate) fn cookie(&self) -> Option<(&'static str, &[u8])> {
        (!self.cookie.is_empty()).then_some(("cookie", self.cookie.as_slice()))
    }

    /// Keeps the cookies that an answer to the request written last, or to one for `path`, sets.
    pub(crate) fn take_cookies(&mut self, plan: &Plan, path: Option<&[u8]>, status: u16, body: &Body) {
        let answer = Answer { status, head: body.head(), body: b"", cut: false };
        let path = path.unwrap_or(&self.rendered.path);
        self.jar.store(&answer, &plan.site(path), self.context.now);
    }
}

/// Holds an answer against what the scenario expects, checks and extracts. Gives the checks that failed, a bit
/// each, and why the hit failed, if it did.
pub(crate) fn judge(
    template: &Template,
    person: Option<&mut Person>,
    status: u16,
    body: &Body,
) -> (u128, Option<Problem>) {
    let Template { step, expect, keep, .. } = template;
    if !keep.body && step.judge.is_empty() {
        return (0, expect::check_status(expect, status).err().map(|e| Problem::Script(e.into())));
    }
    let answer = Answer { status, head: body.head(), body: body.kept(), cut: body.cut() };
    let user = person.map(|Person { values, context, .. }| (values, &*context));
    TOOLS.with_borrow_mut(|tools| {
        let judged = step.judge.judge(expect, (answer, body.len()), user, tools);
        let bit = |index: &usize| 1_u128.checked_shl(*index as u32).unwrap_or(0);
        (judged.failed.iter().map(bit).fold(0, |a, b| a | b), judged.fault.map(Problem::Script))
    })
}

impl Plan {
    /// Where a request for `path` goes, as far as cookies care.
    fn site<'a>(&'a self, path: &'a [u8]) -> Site<'a> {
        Site { host: self.base.host_str().unwrap_or_default(), path, secure: self.base.scheme() == "https" }
    }
}
