//! Names for display, and names as the lists of dropped frames match them.

/// `[last part of the path]`, the name of a place of which only the binary is known.
pub(super) fn of_binary(file: &str) -> String {
    let last = file.rsplit('/').find(|part| !part.is_empty());
    let empty = if file.is_empty() { "." } else { "/" };
    format!("[{}]", last.unwrap_or(empty))
}

/// A name without its argument list and without the dot of one ABI: what `drop_frames` is matched with.
pub(super) fn without_arguments(name: &str) -> &str {
    // Names that are written with parentheses of their own.
    const ANONYMOUS: &str = "(anonymous namespace)";
    let name = name.strip_prefix('.').unwrap_or(name);
    let mut from = 0;
    while let Some(at) = name[from..].find('(').map(|i| from + i) {
        let (before, rest) = name.split_at(at);
        if rest.starts_with(ANONYMOUS) {
            from = at + ANONYMOUS.len();
        } else if before[from..].ends_with("operator") && rest.starts_with("()") {
            from = at + "()".len();
        } else {
            return before;
        }
    }
    name
}

/// A function's name as graphs show it: Go without module path and major version, Java without package,
/// C++ without namespaces. For display only: short names of different functions may be equal.
#[must_use]
pub fn short_name(name: &str) -> String {
    let name = name.strip_prefix("(anonymous namespace)::").unwrap_or(name);
    let name = without_version(name);
    let short = short_go(&name).or_else(|| short_java(&name)).or_else(|| short_cpp(&name));
    short.map_or_else(|| name.clone(), str::to_owned)
}

/// Without the first `/vN` of a module path, N from 2 on.
fn without_version(name: &str) -> String {
    for (at, _) in name.match_indices("/v") {
        let rest = &name[at + 2..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = &rest[..digits];
        let counts = !number.is_empty() && !number.starts_with('0') && number != "1";
        if counts && rest[digits..].starts_with(['.', '/']) && rest.len() > digits + 1 {
            return format!("{}{}", &name[..at], &rest[digits..]);
        }
    }
    name.to_owned()
}

/// What follows the last `/` of a path of plain words, if it is `package.something`.
fn short_go(name: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut slashes = Vec::new();
    let mut start = 0;
    for (at, _) in name.match_indices('/') {
        let part = &name[start..at];
        if part.is_empty() || !part.chars().all(plain) {
            break;
        }
        start = at + 1;
        slashes.push(start);
    }
    let tail = |&at: &usize| {
        let rest = &name[at..];
        rest.find('.').filter(|&dot| dot > 0 && dot + 1 < rest.len()).map(|_| rest)
    };
    slashes.iter().rev().find_map(tail)
}

/// `Class.method` after a package of lower-case words.
fn short_java(name: &str) -> Option<&str> {
    let head = name.split('(').next()?;
    let word = |w: &str, dollars: bool| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || (dollars && c == '$');
        w.chars().all(inner)
    };
    let (before, method) = head.rsplit_once('.')?;
    let class = before.rsplit('.').next()?;
    let package = before.strip_suffix(class)?;
    let lower = |w: &str| w.starts_with(|c: char| c.is_ascii_lowercase());
    let is_package = package.split_terminator('.').all(|w| lower(w) && word(w, false));
    let is_class = class.starts_with(|c: char| c.is_ascii_uppercase()) && word(class, true);
    let is_method = method == "<init>" || (lower(method) && word(method, true));
    (is_package && is_class && is_method).then(|| &head[package.len()..])
}

/// `Class::method`, with its template arguments, after namespaces.
fn short_cpp(name: &str) -> Option<&str> {
    let word_end = |from: usize| {
        let rest = &name[from..];
        let first = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let length =
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        first.then_some(from + length)
    };
    // Each word that "::" follows, and the end of the method after it.
    let mut best = None;
    let mut start = 0;
    while let Some(end) = word_end(start).filter(|&end| name[end..].starts_with("::")) {
        let method = end + 2 + usize::from(name[end + 2..].starts_with('~'));
        let class = name[start..end].trim_start_matches('_');
        if let (true, true, Some(stop)) =
            (start > 0, class.starts_with(|c: char| c.is_ascii_uppercase()), word_end(method))
        {
            best = Some((start, stop));
        }
        start = end + 2;
    }
    let (start, stop) = best?;
    let template = name[stop..].starts_with('<').then(|| name.rfind('>')).flatten().filter(|&at| at >= stop);
    Some(&name[start..template.map_or(stop, |at| at + 1)])
}
