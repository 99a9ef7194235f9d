//! An answer as bytes, and its headers looked up in place.

use memchr::memchr;

/// An answer, as it came or decoded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// Header lines, `name: value` and a line break each; a status line may lead and a blank line end them.
    pub(crate) head: &'a [u8],
    /// The body, or its first part.
    pub(crate) body: &'a [u8],
    /// Whether the body was longer than what was kept of it.
    pub(crate) cut: bool,
}

impl<'a> Answer<'a> {
    /// The first header of a name, without blanks around it.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers(name).next()
    }

    /// All headers of a name, in order.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        // A status line has blanks before any colon, so no name matches it.
        lines(self.head).filter_map(move |line| {
            let (given, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":")?;
            given.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }

    /// The value of the last cookie of a name that the answer sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        let pair = |header: &'a [u8]| {
            let pair = header.split(|b| *b == b';').next()?;
            let equals = memchr(b'=', pair)?;
            (pair[..equals].trim_ascii() == name.as_bytes()).then(|| pair[equals + 1..].trim_ascii())
        };
        self.headers("set-cookie").filter_map(pair).last()
    }
}

fn lines(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"HTTP/1.1 200 OK: fine\r\nContent-Type: a/b\r\nX-Empty:\r\nset-cookie: a=1; Path=/\r\n\
        Set-Cookie:b=x=y;HttpOnly\r\nSET-COOKIE: a=2\r\nX-A:  two words \r\nnonsense\r\n\r\n";

    #[test]
    fn headers_are_found_in_any_case() {
        let answer = Answer { status: 200, head: HEAD, ..Answer::default() };
        assert_eq!(answer.header("content-type"), Some(b"a/b".as_slice()));
        assert_eq!(answer.header("x-a"), Some(b"two words".as_slice()));
        assert_eq!(answer.header("x-empty"), Some(b"".as_slice()));
        for absent in ["content", "content-type2", "nonsense", "HTTP/1.1", "x", ""] {
            assert_eq!(answer.header(absent), None, "{absent}");
        }
        assert_eq!(answer.headers("set-cookie").count(), 3);
    }

    #[test]
    fn a_head_without_a_status_line_and_with_bare_line_feeds_is_read_too() {
        let answer = Answer { head: b"a: 1\nb: 2", ..Answer::default() };
        assert_eq!((answer.header("A"), answer.header("b")), (Some(b"1".as_slice()), Some(b"2".as_slice())));
        assert_eq!(Answer::default().header("a"), None);
    }

    #[test]
    fn the_last_cookie_of_a_name_counts() {
        let answer = Answer { head: HEAD, ..Answer::default() };
        assert_eq!(answer.cookie("a"), Some(b"2".as_slice()));
        assert_eq!(answer.cookie("b"), Some(b"x=y".as_slice()));
        assert_eq!((answer.cookie("A"), answer.cookie("path")), (None, None));
    }
}
