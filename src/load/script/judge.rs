//! An answer held against the checks of its step, and what later steps need taken from it.

use std::sync::Arc;

use super::answer::Answer;
use super::checks::{BadCheck, NamedCheck};
use super::decode::{DecodeError, Decoder};
use super::extract::{BadPath, Extraction, Looked, NotExtracted};
use super::values::{Context, Missing, Names, Values};
use crate::load::expect::{self, Unexpected};
use crate::run::period::Failure;
use crate::scenario::{self, Expectation};

/// Why a hit failed here. Names what the scenario wrote and no byte of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The request could not be made.
    #[error(transparent)]
    Data(#[from] Missing),
    /// The status or the body is not what is expected.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
    /// The body could not be looked at.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Checks did not hold.
    #[error("{failed} of {all} checks failed, first `{first}`")]
    Check { first: Arc<str>, failed: usize, all: usize },
    /// A later step would have nothing to send.
    #[error(transparent)]
    Extract(#[from] NotExtracted),
}

impl Fault {
    /// The kind it counts as.
    pub(crate) const fn failure(&self) -> Failure {
        match self {
            Self::Data(_) => Failure::Data,
            Self::Unexpected(unexpected) => unexpected.failure(),
            Self::Decode(_) => Failure::Body,
            Self::Check { .. } => Failure::Check,
            Self::Extract(_) => Failure::Extract,
        }
    }
}

/// Buffers that judging uses again. It never waits, so one for each load thread is enough.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    pub(crate) decoder: Decoder,
    pub(crate) scratch: Scratch,
}

/// The buffers of checks, apart from the decoder's, whose output they look at.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    failed: Vec<usize>,
    room: Vec<u8>,
}

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged<'t> {
    /// Indices of the checks that failed, in order.
    pub(crate) failed: &'t [usize],
    /// Why the hit failed, if it did.
    pub(crate) fault: Option<Fault>,
}

/// Checks and extractions of a step, compiled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judge {
    checks: Vec<NamedCheck>,
    extractions: Vec<Extraction>,
    in_head: bool,
    in_body: bool,
}

impl Judge {
    /// Compiles the checks and extractions of a request.
    ///
    /// # Errors
    /// [`BadCheck`], also for the path of an extraction.
    pub(crate) fn compile(
        checks: &[scenario::Check],
        extracts: &[scenario::Extract],
        names: &mut Names,
    ) -> Result<Self, BadCheck> {
        let checks = checks.iter().map(|c| NamedCheck::compile(c, names)).collect::<Result<Vec<_>, _>>()?;
        let extraction = |e: &scenario::Extract| Extraction::compile(e, names.define(&e.variable));
        let extractions: Result<Vec<_>, BadPath> = extracts.iter().map(extraction).collect();
        let extractions = extractions.map_err(BadCheck::Path)?;
        let places = || checks.iter().map(|c| &c.place).chain(extractions.iter().map(|e| &e.place));
        let (in_body, in_head) = (places().any(|p| p.in_body()), places().any(|p| p.in_head()));
        Ok(Self { in_head, in_body, checks, extractions })
    }

    /// Whether it looks at nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.extractions.is_empty()
    }

    /// Whether the head must be kept: for a place in it, or to decode the body.
    pub(crate) const fn needs_head(&self) -> bool {
        self.in_head || self.in_body
    }

    /// Whether the body must be kept.
    pub(crate) const fn needs_body(&self) -> bool {
        self.in_body
    }

    /// Feeders whose columns the checks compare with.
    pub(crate) fn feeders(&self) -> impl Iterator<Item = usize> {
        self.checks.iter().flat_map(NamedCheck::feeders)
    }

    /// Judges an answer as it came, of a body of `len` bytes: by what is expected of it, by all checks, and if
    /// all that holds by all extractions up to the first that finds nothing. The fault is the first of status,
    /// body, checks and extractions: the cause comes before its consequences. Without a `user` there is nothing
    /// to check or to extract.
    pub(crate) fn judge<'t>(
        &self,
        expect: &Expectation,
        (answer, len): (Answer<'_>, u64),
        user: Option<(&mut Values, &Context)>,
        Tools { decoder, scratch }: &'t mut Tools,
    ) -> Judged<'t> {
        scratch.failed.clear();
        let status = expect::check_status(expect, answer.status);
        let looks = self.in_body || (status.is_ok() && expect::needs_body(expect));
        let decoded = if looks { decoder.decode(answer) } else { Ok(answer) };
        let body = |decoded: &Result<Answer<'_>, DecodeError>| match decoded {
            Ok(answer) => expect::check_body(expect, answer.body, len).map_err(Fault::from),
            Err(error) => Err(error.clone().into()),
        };
        let cause = status.map_err(Fault::from).and_then(|()| body(&decoded)).err();
        let Some((values, context)) = user.filter(|_| !self.is_empty()) else {
            return Judged { failed: &scratch.failed, fault: cause };
        };
        let readable = decoded.is_ok();
        let looked = Looked::new(decoded.unwrap_or(answer));
        let check = self.check(&looked, readable, (&*values, context), scratch);
        let extract =
            || self.extractions.iter().find_map(|e| e.extract(&looked, values).err()).map(Fault::from);
        Judged { failed: &scratch.failed, fault: cause.or(check).or_else(extract) }
    }

    /// Looks at all checks. In a body that cannot be read none holds.
    fn check(
        &self,
        looked: &Looked<'_>,
        readable: bool,
        (values, context): (&Values, &Context),
        Scratch { failed, room }: &mut Scratch,
    ) -> Option<Fault> {
        let mut holds = |check: &NamedCheck| {
            (readable || !check.place.in_body()) && check.holds(looked, values, context, room)
        };
        let all = self.checks.iter().enumerate();
        failed.extend(all.filter(|(_, check)| !holds(check)).map(|(index, _)| index));
        failed.first().map(|first| Fault::Check {
            first: self.checks[*first].name.clone(),
            failed: failed.len(),
            all: self.checks.len(),
        })
    }
}
