//! Whether an answer is what the scenario expects.

use super::http1::KEEP_LIMIT;
use crate::run::period::Failure;
use crate::scenario::Expectation;

/// How an answer differs from what was expected. No byte of the answer is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unexpected {
    #[error("status {0} was not expected")]
    Status(u16),
    #[error("the body ({0} bytes) does not contain the expected text{cut}", cut = cut(*.0))]
    Contains(u64),
    #[error("the body ({0} bytes) does not match the expected pattern{cut}", cut = cut(*.0))]
    Matches(u64),
}

impl Unexpected {
    pub(crate) const fn failure(self) -> Failure {
        match self {
            Self::Status(_) => Failure::Status,
            Self::Contains(_) | Self::Matches(_) => Failure::Body,
        }
    }
}

/// Whether the body must be kept to judge the answer.
pub(crate) const fn needs_body(expect: &Expectation) -> bool {
    expect.body_contains.is_some() || expect.body_matches.is_some()
}

/// Judges an answer by its status.
pub(crate) fn check_status(expect: &Expectation, status: u16) -> Result<(), Unexpected> {
    let passes = match expect.status.as_slice() {
        [] => (200..400).contains(&status),
        list => list.contains(&status),
    };
    if passes { Ok(()) } else { Err(Unexpected::Status(status)) }
}

/// Judges an answer by what was kept, decoded, of the `len` bytes of its body.
pub(crate) fn check_body(expect: &Expectation, kept: &[u8], len: u64) -> Result<(), Unexpected> {
    if expect.body_contains.as_ref().is_some_and(|text| !contains(kept, text.as_bytes())) {
        return Err(Unexpected::Contains(len));
    }
    if expect.body_matches.as_ref().is_some_and(|pattern| !pattern.is_match(kept)) {
        return Err(Unexpected::Matches(len));
    }
    Ok(())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some((&first, rest)) = part.split_first() else { return true };
    let mut from = text;
    while let Some(at) = from.iter().position(|b| *b == first) {
        from = &from[at + 1..];
        if from.starts_with(rest) {
            return true;
        }
    }
    false
}

fn cut(len: u64) -> &'static str {
    if len > KEEP_LIMIT as u64 { "; only its first 1048576 bytes were looked at" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expect: &Expectation, status: u16, body: &[u8]) -> Result<(), Unexpected> {
        check_status(expect, status).and_then(|()| check_body(expect, body, body.len() as u64))
    }

    #[test]
    fn status_text_and_pattern_are_judged_in_turn() {
        let any = Expectation::default();
        assert_eq!(check(&any, 204, b""), Ok(()));
        assert_eq!(check(&any, 399, b""), Ok(()));
        assert_eq!(check(&any, 404, b""), Err(Unexpected::Status(404)));
        let strict = Expectation {
            status: vec![200, 404],
            body_contains: Some("aab".into()),
            body_matches: Some(regex::bytes::Regex::new("^a+b$").expect("valid")),
        };
        assert_eq!(check(&strict, 201, b"aab"), Err(Unexpected::Status(201)));
        assert_eq!(check(&strict, 404, b"aaab"), Ok(()));
        assert_eq!(check(&strict, 200, b"abab"), Err(Unexpected::Contains(4)));
        assert_eq!(check(&strict, 200, b"aab "), Err(Unexpected::Matches(4)));
        assert!(needs_body(&strict) && !needs_body(&any));
    }

    #[test]
    fn of_a_long_body_the_message_says_that_it_was_looked_at_in_part() {
        let expect = Expectation { body_contains: Some("needle".into()), ..Expectation::default() };
        let unexpected = check_body(&expect, b"hay", KEEP_LIMIT as u64 + 6).expect_err("cut off");
        assert_eq!(unexpected.failure(), Failure::Body);
        assert!(unexpected.to_string().contains("only its first 1048576 bytes"), "{unexpected}");
    }
}
