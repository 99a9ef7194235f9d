//! Function names for display: shortened as `pprof` does (internal/graph `ShortenFunctionName`). Evidence
//! keeps the full name.

use std::sync::LazyLock;

use regex::Regex;

/// Longest function name shown in a table or chart.
const LONGEST: usize = 72;

struct Patterns {
    /// Import path before the package: `github.com/a/b.(*T).M` -> `b.(*T).M`.
    go: Regex,
    /// Major version of a module: `b/v2.F` -> `b.F`.
    go_version: Regex,
    /// Packages before the class.
    java: Regex,
    /// Namespaces before the class.
    cpp: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    Some(Patterns {
        go: Regex::new(r"^(?:[\w\-\.]+/)+([^.]+\..+)$").ok()?,
        go_version: Regex::new(r"^(.*?)/v(?:[2-9]|[1-9][0-9]+)([./].*)$").ok()?,
        java: Regex::new(r"^(?:[a-z]\w*\.)+([A-Z][\w$]*\.(?:<init>|[a-z][\w$]*(?:\$\d+)?))(?:\(|$)").ok()?,
        cpp: Regex::new(r"^(?:[_a-zA-Z]\w*::)+(_*[A-Z]\w*::~?[_a-zA-Z]\w*(?:<.*>)?)$").ok()?,
    })
});

/// The name without its import path, packages or namespaces, cut to a length that fits a table.
pub(crate) fn short(name: &str) -> String {
    cut(&unqualified(name), LONGEST)
}

fn unqualified(name: &str) -> String {
    let Some(p) = PATTERNS.as_ref() else { return name.to_owned() };
    // Words with a path, and no function.
    if name.contains(' ') && name.contains('/') && !name.contains("::") {
        return name.to_owned();
    }
    let plain = p.go_version.replace(name, "$1$2");
    for pattern in [&p.go, &p.java, &p.cpp] {
        if let Some(captured) = pattern.captures(&plain).and_then(|c| c.get(1)) {
            return captured.as_str().to_owned();
        }
    }
    plain.into_owned()
}

/// The text, or its beginning and end around `..` if it is longer than `longest` characters: the end of a
/// function name says more than its middle.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    let length = text.chars().count();
    if length <= longest {
        return text.to_owned();
    }
    let keep = longest.saturating_sub(2);
    let (head, tail) = (keep / 3, keep - keep / 3);
    let beginning: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{beginning}..{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_path_only() {
        let table = [
            ("github.com/acme/shop/catalog.(*Store).Reload", "catalog.(*Store).Reload"),
            ("github.com/acme/lib/v3.F", "lib.F"),
            ("encoding/json.(*decodeState).object", "json.(*decodeState).object"),
            ("net/http.HandlerFunc.ServeHTTP", "http.HandlerFunc.ServeHTTP"),
            ("main.main.func1", "main.main.func1"),
            ("java.util.concurrent.ThreadPoolExecutor.runWorker", "ThreadPoolExecutor.runWorker"),
            ("folly::io::Cursor::read", "Cursor::read"),
            ("loadprof::demo::reprice", "loadprof::demo::reprice"),
            ("POST /orders", "POST /orders"),
        ];
        for (full, want) in table {
            assert_eq!(short(full), want);
        }
    }

    #[test]
    fn cutting_keeps_both_ends() {
        let cut = cut(&format!("{}END", "é".repeat(500)), 20);
        assert_eq!(cut.chars().count(), 20);
        assert!(cut.starts_with('é') && cut.ends_with("END"));
    }
}
