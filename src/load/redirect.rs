//! Where an answer sends a request on to.

use url::Url;

/// A redirect that is not followed. Shows no part of the address but its origin: a query may hold a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedirectError {
    #[error("the answer redirects more than {0} times: raise target.redirects, or look for a loop")]
    TooMany(usize),
    #[error("the answer redirects to {0}, another origin than the target's: it is not followed")]
    Elsewhere(String),
    #[error("the answer redirects to what is no address")]
    NoAddress,
}

/// Whether a status asks for the request to be sent elsewhere (RFC 9110, section 15.4).
pub(crate) const fn redirects(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Path and query that `location` leads to, seen from `path` on the target.
pub(crate) fn leads_to(base: &Url, path: &[u8], location: &[u8]) -> Result<String, RedirectError> {
    let text = |bytes| str::from_utf8(bytes).map_err(|_| RedirectError::NoAddress);
    let here = base.join(text(path)?).map_err(|_| RedirectError::NoAddress)?;
    let there = here.join(text(location)?).map_err(|_| RedirectError::NoAddress)?;
    if there.origin() != base.origin() {
        return Err(RedirectError::Elsewhere(there.origin().ascii_serialization()));
    }
    let query = there.query().map(|q| format!("?{q}")).unwrap_or_default();
    Ok(format!("{}{query}", there.path()))
}

/// The method of the request that follows: a form that was taken is answered by a page (RFC 9110, sections
/// 15.4.2 to 15.4.4).
pub(crate) fn method(status: u16, method: &str) -> &str {
    match (status, method) {
        (_, "HEAD") => "HEAD",
        (303, _) | (301 | 302, "POST") => "GET",
        _ => method,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_targets_own_origin_is_followed() {
        let base = Url::parse("http://shop:8080/").expect("valid");
        let to = |location: &str| leads_to(&base, b"/a/b?c=1", location.as_bytes());
        assert_eq!(to("/x?y=1#z"), Ok("/x?y=1".into()));
        assert_eq!(to("c"), Ok("/a/c".into()));
        assert_eq!(to("http://shop:8080"), Ok("/".into()));
        assert_eq!(to("http://shop/"), Err(RedirectError::Elsewhere("http://shop".into())));
        assert_eq!(to("//evil/?token=1"), Err(RedirectError::Elsewhere("http://evil".into())));
        assert_eq!(to("http://["), Err(RedirectError::NoAddress));
        assert_eq!(leads_to(&base, b"/", &[0xff]), Err(RedirectError::NoAddress));
    }

    #[test]
    fn a_form_that_was_taken_is_answered_by_a_page() {
        assert_eq!((method(303, "PUT"), method(302, "POST"), method(307, "POST")), ("GET", "GET", "POST"));
        assert_eq!((method(301, "HEAD"), method(301, "DELETE")), ("HEAD", "DELETE"));
        assert!(redirects(308) && !redirects(304) && !redirects(200));
    }
}
