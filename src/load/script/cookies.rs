//! The cookies of one user (RFC 6265), of our own: a load test needs a handful of cookies of one or two
//! hosts, matched and written for every request, not a store that is saved, indexed and serialised.
//!
//! Not kept: what a browser would need a list of public suffixes for. A domain of one label is refused.

use super::answer::Answer;
use super::text::is_control;

/// Cookies of a user at the most; the oldest goes first.
const MAX_COOKIES: usize = 50;
/// Bytes of a `set-cookie` header at the most, as browsers have it for name and value.
const MAX_COOKIE: usize = 4096;

/// Where a request goes, as far as cookies care.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    /// Host name or address in lower case, as [`url::Url::host_str`] has it.
    pub(crate) host: &'a str,
    /// Path of the request; a query does not matter.
    pub(crate) path: &'a [u8],
    /// Whether it goes over TLS.
    pub(crate) secure: bool,
}

impl<'a> Site<'a> {
    fn path(&self) -> &'a [u8] {
        let path = self.path.split(|b| *b == b'?').next().unwrap_or_default();
        if path.starts_with(b"/") { path } else { b"/" }
    }

    /// RFC 6265, section 5.1.4: the path up to its last slash.
    fn default_path(&self) -> &'a [u8] {
        let path = self.path();
        match path.iter().rposition(|b| *b == b'/') {
            None | Some(0) => b"/",
            Some(last) => &path[..last],
        }
    }
}

#[derive(Clone, Default)]
struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    domain: String,
    /// Whether hosts below the domain get it too.
    below: bool,
    path: Vec<u8>,
    secure: bool,
    /// Milliseconds since 1970 from which it is gone; none: never within a run.
    expires: Option<u64>,
    /// Order in which cookies were first set.
    born: u64,
}

impl Cookie {
    /// RFC 6265, section 5.4.
    fn goes_to(&self, site: &Site<'_>, now: u64) -> bool {
        let host =
            if self.below { domain_matches(site.host, &self.domain) } else { site.host == self.domain };
        host && (site.secure || !self.secure)
            && path_matches(site.path(), &self.path)
            && self.expires.is_none_or(|at| now < at)
    }
}

/// The cookies of one user.
#[derive(Default)]
pub(crate) struct Jar {
    /// Longer paths first, older ones first among equals: the order they are sent in.
    cookies: Vec<Cookie>,
    /// Cookies that are gone; their memory is used again.
    spare: Vec<Cookie>,
    born: u64,
}

impl std::fmt::Debug for Jar {
    /// Never the cookies: a session is one of them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jar").field("cookies", &self.cookies.len()).finish_non_exhaustive()
    }
}

impl Jar {
    /// Forgets all cookies.
    pub(crate) fn clear(&mut self) {
        self.spare.append(&mut self.cookies);
    }

    /// Keeps the cookies that the answer to a request to `site` sets at `now`, in ms since 1970.
    pub(crate) fn store(&mut self, answer: &Answer<'_>, site: &Site<'_>, now: u64) {
        for header in answer.headers("set-cookie") {
            if let Some(given) = Given::parse(header, site, now) {
                self.keep(&given, now);
            }
        }
    }

    /// Appends the value of the `cookie` header of a request; false if there is none to send.
    pub(crate) fn header(&self, site: &Site<'_>, now: u64, out: &mut Vec<u8>) -> bool {
        let mut any = false;
        for cookie in self.cookies.iter().filter(|c| c.goes_to(site, now)) {
            if any {
                out.extend_from_slice(b"; ");
            }
            out.extend_from_slice(&cookie.name);
            out.push(b'=');
            out.extend_from_slice(&cookie.value);
            any = true;
        }
        any
    }

    fn keep(&mut self, given: &Given<'_>, now: u64) {
        let same = |c: &Cookie| {
            c.name == given.name && c.path == given.path && c.domain.eq_ignore_ascii_case(given.domain)
        };
        let known = self.cookies.iter().position(same);
        let gone = given.expires.is_some_and(|at| at <= now);
        match known {
            Some(at) if gone => self.spare.push(self.cookies.remove(at)),
            Some(at) => given.write(&mut self.cookies[at]),
            None if gone => {}
            None => self.insert(given, now),
        }
    }

    fn insert(&mut self, given: &Given<'_>, now: u64) {
        if self.cookies.len() >= MAX_COOKIES {
            self.make_room(now);
        }
        let mut cookie = self.spare.pop().unwrap_or_default();
        given.write(&mut cookie);
        self.born += 1;
        cookie.born = self.born;
        let at = self.cookies.partition_point(|c| c.path.len() >= cookie.path.len());
        self.cookies.insert(at, cookie);
    }

    /// Drops the expired cookies, or else the oldest one.
    fn make_room(&mut self, now: u64) {
        let spare = &mut self.spare;
        spare.extend(self.cookies.extract_if(.., |c| c.expires.is_some_and(|at| at <= now)));
        if self.cookies.len() >= MAX_COOKIES
            && let Some((oldest, _)) = self.cookies.iter().enumerate().min_by_key(|(_, c)| c.born)
        {
            spare.push(self.cookies.remove(oldest));
        }
    }
}

/// A cookie as an answer sets it.
struct Given<'a> {
    name: &'a [u8],
    value: &'a [u8],
    domain: &'a str,
    below: bool,
    path: &'a [u8],
    secure: bool,
    expires: Option<u64>,
}

impl<'a> Given<'a> {
    /// RFC 6265, sections 5.2 and 5.3; none if the cookie is to be ignored.
    fn parse(header: &'a [u8], site: &Site<'a>, now: u64) -> Option<Self> {
        if header.len() > MAX_COOKIE || header.iter().any(|b| is_control(*b)) {
            return None;
        }
        let mut parts = header.split(|b| *b == b';');
        let (name, value) = pair(parts.next()?);
        let value = value.filter(|_| !name.is_empty())?;
        let path = site.default_path();
        let mut given =
            Self { name, value, domain: site.host, below: false, path, secure: false, expires: None };
        let mut age = None;
        for (name, value) in parts.map(pair) {
            let value = value.unwrap_or_default();
            if name.eq_ignore_ascii_case(b"path") {
                given.path = if value.starts_with(b"/") { value } else { site.default_path() };
            } else if name.eq_ignore_ascii_case(b"domain") {
                given.domain(value, site)?;
            } else if name.eq_ignore_ascii_case(b"secure") {
                given.secure = true;
            } else if name.eq_ignore_ascii_case(b"expires") {
                given.expires = date(value).or(given.expires);
            } else if name.eq_ignore_ascii_case(b"max-age") {
                age = seconds(value).or(age);
            }
        }
        // An age wins over a date.
        given.expires = age.map(|age| now.saturating_add_signed(age.saturating_mul(1000))).or(given.expires);
        Some(given)
    }

    /// None if the host may not set cookies for that domain.
    fn domain(&mut self, value: &'a [u8], site: &Site<'a>) -> Option<()> {
        let domain = str::from_utf8(value.strip_prefix(b".").unwrap_or(value)).ok()?;
        if domain.is_empty() || domain.eq_ignore_ascii_case(site.host) {
            self.below = !domain.is_empty();
            self.domain = site.host;
            return Some(());
        }
        let wide = !domain.contains('.') || site.host.parse::<std::net::IpAddr>().is_ok();
        (!wide && domain_matches(site.host, domain)).then(|| {
            self.domain = domain;
            self.below = true;
        })
    }

    fn write(&self, cookie: &mut Cookie) {
        let set = |to: &mut Vec<u8>, from: &[u8]| {
            to.clear();
            to.extend_from_slice(from);
        };
        set(&mut cookie.name, self.name);
        set(&mut cookie.value, self.value);
        set(&mut cookie.path, self.path);
        cookie.domain.clear();
        cookie.domain.extend(self.domain.chars().map(|c| c.to_ascii_lowercase()));
        (cookie.below, cookie.secure, cookie.expires) = (self.below, self.secure, self.expires);
    }
}

fn pair(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', part) {
        Some(at) => (part[..at].trim_ascii(), Some(part[at + 1..].trim_ascii())),
        None => (part.trim_ascii(), None),
    }
}

/// RFC 6265, section 5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    let Some(front) = host.len().checked_sub(domain.len()) else { return false };
    let below = front == 0 || host.as_bytes()[front - 1] == b'.';
    below && host.as_bytes()[front..].eq_ignore_ascii_case(domain.as_bytes())
}

/// RFC 6265, section 5.1.4.
fn path_matches(path: &[u8], cookie: &[u8]) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || cookie.ends_with(b"/"))
}

/// `max-age`: none if it is no number.
fn seconds(value: &[u8]) -> Option<i64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = str::from_utf8(value).ok()?;
    Some(text.parse().unwrap_or(if value[0] == b'-' { i64::MIN } else { i64::MAX }))
}

/// RFC 6265, section 5.1.1: a date in any of the forms that servers use, in ms since 1970; 0 before that.
fn date(value: &[u8]) -> Option<u64> {
    let delimiter = |b: &u8| !b.is_ascii_alphanumeric() && *b != b':' && *b < 0x7f;
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in value.split(delimiter).filter(|t| !t.is_empty()) {
        let number = || str::from_utf8(token).ok()?.parse::<i64>().ok();
        match token.len() {
            _ if time.is_none() && token.contains(&b':') => time = Some(clock(token)?),
            1 | 2 if day.is_none() && token[0].is_ascii_digit() => day = number(),
            2..=4 if year.is_none() && token[0].is_ascii_digit() => year = number(),
            3.. if month.is_none() => month = month_of(token),
            _ => {}
        }
    }
    let year = match year? {
        y @ 70..=99 => y + 1900,
        y @ 0..=69 => y + 2000,
        y => y,
    };
    let day = day.filter(|d| (1..=31).contains(d))?;
    if year < 1601 {
        return None;
    }
    let seconds = days(year, month?, day) * 86_400 + time?;
    Some(u64::try_from(seconds).unwrap_or(0) * 1000)
}

fn clock(token: &[u8]) -> Option<i64> {
    let mut parts = str::from_utf8(token).ok()?.split(':').map(|p| p.parse::<i64>().ok().filter(|n| *n < 60));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    (hour < 24).then_some((hour * 60 + minute) * 60 + second)
}

fn month_of(token: &[u8]) -> Option<i64> {
    let names = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let at = names.chunks(3).position(|name| token[..3].eq_ignore_ascii_case(name))?;
    Some(at as i64 + 1)
}

/// Days from 1970-01-01 in the Gregorian calendar (Hinnant, `days_from_civil`).
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site<'a>(host: &'a str, path: &'a str) -> Site<'a> {
        Site { host, path: path.as_bytes(), secure: false }
    }

    fn set(jar: &mut Jar, site: &Site<'_>, cookies: &[&str], now: u64) {
        let head: String = cookies.iter().map(|c| format!("Set-Cookie: {c}\r\n")).collect();
        jar.store(&Answer { head: head.as_bytes(), ..Answer::default() }, site, now);
    }

    fn sent(jar: &Jar, site: &Site<'_>, now: u64) -> String {
        let mut out = Vec::new();
        let any = jar.header(site, now, &mut out);
        assert_eq!(any, !out.is_empty());
        String::from_utf8(out).expect("ascii")
    }

    #[test]
    fn cookies_go_back_to_their_host_and_path_longest_path_first() {
        let mut jar = Jar::default();
        let cart = site("shop.test", "/cart/items?page=2");
        set(&mut jar, &cart, &["a=1; Path=/", "b=x=y", "c=3; path=/cart/; HttpOnly", "d=; Path=nonsense"], 0);
        assert_eq!(sent(&jar, &cart, 0), "c=3; b=x=y; d=; a=1");
        assert_eq!(sent(&jar, &site("shop.test", "/cart"), 0), "b=x=y; d=; a=1");
        assert_eq!(sent(&jar, &site("shop.test", "/carts"), 0), "a=1");
        assert_eq!(sent(&jar, &site("other.test", "/cart/"), 0), "");
        assert_eq!(sent(&jar, &site("sub.shop.test", "/"), 0), "", "a host's cookie is its own");
        set(&mut jar, &cart, &["a=2; Path=/", "b=; Max-Age=0"], 0);
        assert_eq!(sent(&jar, &cart, 0), "c=3; d=; a=2");
        jar.clear();
        assert_eq!(sent(&jar, &cart, 0), "");
    }

    #[test]
    fn domains_are_those_of_the_host() {
        let mut jar = Jar::default();
        let host = site("a.shop.test", "/");
        set(
            &mut jar,
            &host,
            &[
                "a=1; Domain=.SHOP.test",
                "b=1; domain=test",
                "c=1; domain=b.shop.test",
                "d=1; domain=hop.test",
                "e=1; domain=a.shop.test",
            ],
            0,
        );
        assert_eq!(sent(&jar, &host, 0), "a=1; e=1");
        assert_eq!(sent(&jar, &site("b.shop.test", "/"), 0), "a=1");
        assert_eq!(sent(&jar, &site("c.a.shop.test", "/"), 0), "a=1; e=1");
        assert_eq!(sent(&jar, &site("noshop.test", "/"), 0), "");
        let mut jar = Jar::default();
        set(&mut jar, &site("127.0.0.1", "/"), &["a=1; domain=0.0.1", "b=2; domain=127.0.0.1"], 0);
        set(&mut jar, &site("localhost", "/"), &["c=3; domain=localhost"], 0);
        assert_eq!(sent(&jar, &site("127.0.0.1", "/"), 0), "b=2");
        assert_eq!(sent(&jar, &site("localhost", "/"), 0), "c=3");
    }

    #[test]
    fn cookies_expire_and_secure_ones_need_tls() {
        let mut jar = Jar::default();
        let plain = site("h", "/");
        set(
            &mut jar,
            &plain,
            &[
                "a=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                "b=2; Secure",
                "c=3; Expires=Thu, 01 Jan 1970 00:00:05 GMT",
                "d=4; max-age=never",
            ],
            1000,
        );
        assert_eq!(sent(&jar, &plain, 1000), "a=1; c=3; d=4");
        assert_eq!(sent(&jar, &plain, 5000), "a=1; d=4");
        assert_eq!(sent(&jar, &Site { secure: true, ..plain }, 11_000), "b=2; d=4");
        set(&mut jar, &plain, &["d=; expires=Thu, 01-Jan-70 00:00:00 GMT"], 1000);
        assert_eq!(sent(&jar, &plain, 1000), "a=1; c=3");
    }

    #[test]
    fn dates_are_read_in_every_form() {
        let expected = Some(1_445_412_480_000);
        for text in [
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Wednesday, 21-Oct-15 07:28:00 GMT",
            "Wed Oct 21 07:28:00 2015",
            "21 oct 2015 07:28:00",
        ] {
            assert_eq!(date(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(date(b"Sat, 29 Feb 2020 00:00:00 GMT"), Some(1_582_934_400_000));
        assert_eq!(date(b"Mon, 01 Jan 1601 00:00:00 GMT"), Some(0));
        assert_eq!(date(b"Fri, 31 Dec 9999 23:59:59 GMT"), Some(253_402_300_799_000));
        for text in [
            "",
            "tomorrow",
            "21 Oct 2015",
            "32 Oct 2015 07:28:00",
            "21 Foo 2015 07:28:00",
            "21 Oct 2015 24:00:00",
            "21 Oct 1600 01:00:00",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_cookie_is_ignored_and_their_number_is_bounded() {
        let mut jar = Jar::default();
        let host = site("h", "/");
        let long = format!("long={}", "x".repeat(MAX_COOKIE));
        set(&mut jar, &host, &["nothing", "=x", "", "; Path=/", "a=b\u{1}c", &long], 0);
        assert_eq!(sent(&jar, &host, 0), "");
        for n in 0..=MAX_COOKIES {
            set(&mut jar, &host, &[&format!("c{n}={n}; Max-Age=100")], 0);
        }
        let all = sent(&jar, &host, 0);
        assert_eq!(
            (jar.cookies.len(), all.starts_with("c1=1; c2=2"), all.ends_with("c50=50")),
            (MAX_COOKIES, true, true)
        );
        set(&mut jar, &host, &["new=1"], 100_000);
        assert_eq!(sent(&jar, &host, 100_000), "new=1", "the expired ones went first");
        assert_eq!(jar.cookies.len(), 1);
    }
}
