//! Named checks of answers, compiled. All are looked at, so that each one's count is its own.

use std::sync::Arc;

use regex::bytes::Regex;

use super::extract::{BadPath, Looked, Place};
use super::text::{Safety, Text, UnknownVariable};
use super::values::{Context, Names, Values};
use crate::scenario::{self, Condition};

/// Why a check cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadCheck {
    Path(BadPath),
    Variable(UnknownVariable),
}

/// A named check, compiled.
#[derive(Clone, Debug)]
pub(crate) struct NamedCheck {
    pub(crate) name: Arc<str>,
    pub(crate) place: Place,
    is: Is,
}

#[derive(Clone, Debug)]
enum Is {
    There,
    Equal(Text),
    Containing(Text),
    Matching(Regex),
    AtLeast(f64),
    AtMost(f64),
}

impl NamedCheck {
    /// Compiles a check.
    ///
    /// # Errors
    /// [`BadCheck`].
    pub(crate) fn compile(check: &scenario::Check, names: &mut Names) -> Result<Self, BadCheck> {
        let mut text = |t: &str| Text::compile(t, names).map_err(BadCheck::Variable);
        let is = match &check.is {
            Condition::Exists => Is::There,
            Condition::Equals(t) => Is::Equal(text(t)?),
            Condition::Contains(t) => Is::Containing(text(t)?),
            Condition::Matches(regex) => Is::Matching(regex.clone()),
            Condition::AtLeast(limit) => Is::AtLeast(*limit),
            Condition::AtMost(limit) => Is::AtMost(*limit),
        };
        let place = Place::compile(&check.of).map_err(BadCheck::Path)?;
        Ok(Self { name: check.name.as_str().into(), place, is })
    }

    /// Feeders whose columns it compares with.
    pub(crate) fn feeders(&self) -> impl Iterator<Item = usize> {
        let text = match &self.is {
            Is::Equal(text) | Is::Containing(text) => Some(text),
            _ => None,
        };
        text.into_iter().flat_map(Text::feeders)
    }

    /// Whether it holds. Nothing there does not, nor does a comparison with a variable that has no value.
    pub(crate) fn holds(
        &self,
        looked: &Looked<'_>,
        values: &Values,
        context: &Context,
        room: &mut Vec<u8>,
    ) -> bool {
        let Ok(value) = looked.find(&self.place) else { return false };
        let mut rendered = |text: &Text| {
            room.clear();
            text.render(values, context, room, Safety::Body).is_ok()
        };
        match &self.is {
            Is::There => true,
            Is::Equal(text) => rendered(text) && value.as_bytes() == room.as_slice(),
            Is::Containing(text) => rendered(text) && memchr::memmem::find(value.as_bytes(), room).is_some(),
            Is::Matching(regex) => regex.is_match(value.as_bytes()),
            Is::AtLeast(limit) => number(&value).is_some_and(|n| n >= *limit),
            Is::AtMost(limit) => number(&value).is_some_and(|n| n <= *limit),
        }
    }
}

/// A finite number; blanks around it do not matter.
fn number(text: &str) -> Option<f64> {
    text.trim_ascii().parse().ok().filter(|n: &f64| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::super::values::Shared;
    use super::*;
    use crate::scenario::AnswerSource;

    fn holds(of: AnswerSource, is: Condition) -> bool {
        let mut names = Names::default();
        let id = names.define("id");
        names.define("unset");
        let check = scenario::Check { name: "c".into(), of, is };
        let check = NamedCheck::compile(&check, &mut names).expect("valid");
        let mut values = Values::new(Arc::new(Shared { names, feeders: Vec::new() }), Arc::default());
        values.set(id, "42").expect("short");
        let answer = Answer {
            status: 200,
            head: b"x-left: 1e3 \r\nx-text: many words\r\n",
            body: br#"{"id": 42, "price": "9.50", "big": "inf", "list": [1]}"#,
            cut: false,
        };
        check.holds(&Looked::new(answer), &values, &Context::default(), &mut b"stale".to_vec())
    }

    fn json(path: &str) -> AnswerSource {
        AnswerSource::Json(path.into())
    }

    fn header(name: &str) -> AnswerSource {
        AnswerSource::Header(name.into())
    }

    #[test]
    fn conditions_hold_or_do_not() {
        use Condition::{AtLeast, AtMost, Contains, Equals, Exists, Matches};
        let regex = |p: &str| Matches(Regex::new(p).expect("valid"));
        for (of, is, expected) in [
            (json("$.id"), Exists, true),
            (json("$.no"), Exists, false),
            (json("$.id"), Equals("${id}".into()), true),
            (json("$.id"), Equals("4${id}".into()), false),
            (json("$.id"), Equals("${unset}".into()), false),
            (header("x-text"), Contains("y w".into()), true),
            (header("x-text"), Contains("${id}".into()), false),
            (header("x-text"), Contains(String::new()), true),
            (header("x-none"), Contains(String::new()), false),
            (header("x-text"), regex("^many\\b"), true),
            (header("x-text"), regex("^words"), false),
            (AnswerSource::Status, AtLeast(200.0), true),
            (AnswerSource::Status, AtMost(199.0), false),
            (header("x-left"), AtLeast(1000.0), true),
            (json("$.price"), AtMost(9.5), true),
            (json("$.price"), AtLeast(9.51), false),
            (json("$.big"), AtLeast(0.0), false),
            (json("$.list"), AtLeast(0.0), false),
            (json("$.no"), AtMost(9.5), false),
        ] {
            assert_eq!(holds(of.clone(), is.clone()), expected, "{of:?} {is:?}");
        }
    }

    #[test]
    fn what_cannot_be_compiled_is_named() {
        let bad = |of, is| {
            NamedCheck::compile(&scenario::Check { name: "c".into(), of, is }, &mut Names::default())
                .expect_err("bad")
        };
        assert!(matches!(bad(json("$["), Condition::Exists), BadCheck::Path(_)));
        let unknown = bad(AnswerSource::Status, Condition::Equals("${x}".into()));
        assert_eq!(unknown, BadCheck::Variable(UnknownVariable("x".into())));
    }
}
