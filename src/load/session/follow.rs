//! Redirects within a hit.

use super::Session;
use crate::load::connections::Connections;
use crate::load::hit::Problem;
use crate::load::http1::request::{Own, content_length};
use crate::load::person::Person;
use crate::load::plan::Plan;
use crate::load::redirect::{self, RedirectError};
use crate::load::script::{Answer, Rendered};
use crate::load::template::Template;
use crate::load::wire::Message;

impl<C: Connections> Session<C> {
    /// Follows redirects until there is another answer. The time of all of them is the hit's.
    pub(super) async fn follow(&mut self, plan: &Plan, template: &Template) -> Result<(), Problem> {
        let rendered = || self.maker.get().map(|person| &person.rendered().path);
        let mut path =
            template.fixed.as_ref().map(|fixed| &fixed.path).or_else(rendered).cloned().unwrap_or_default();
        let mut method = template.step.recipe.method().to_owned();
        while redirect::redirects(self.hit.progress.status) {
            if usize::from(self.hit.redirects) >= plan.redirects {
                return Err(Problem::Redirect(RedirectError::TooMany(plan.redirects)));
            }
            self.take_cookies(plan, Some(&path));
            let answer = Answer { head: self.body.head(), ..Answer::default() };
            let Some(location) = answer.header("location") else { return Ok(()) };
            path = redirect::leads_to(&plan.base, &path, location).map_err(Problem::Redirect)?.into_bytes();
            method = redirect::method(self.hit.progress.status, &method).to_owned();
            self.hit.redirects += 1;
            self.write_redirected(plan, template, &method, &path);
            self.again(plan).await?;
            self.send(plan, template, &method).await?;
        }
        self.take_cookies(plan, Some(&path));
        Ok(())
    }

    /// The head of the request that follows a redirect.
    fn write_redirected(&mut self, plan: &Plan, template: &Template, method: &str, path: &[u8]) {
        if let Some(person) = self.maker.get_mut() {
            person.choose_cookies(plan, template, Some(path));
        }
        let nobody = Rendered::default();
        let rendered = self.maker.get().map_or(&nobody, Person::rendered);
        let body = template.body(method, Some(rendered));
        let content_length = content_length(method, body);
        let own = Own { keep_alive: plan.keep_alive, content_length };
        self.head.clear();
        self.head_of = None;
        let message = Message { method, path, body };
        let cookie = self.maker.get().and_then(Person::cookie);
        let headers = template.step.recipe.headers(rendered).chain(cookie);
        self.trace_at = plan.wire.write(message, headers, own, &mut self.head);
        self.patch(plan);
    }
}
