//! SQL text without its literals: what may be written down, and what tells two statements apart.
//!
//! A literal may be a password, a token or somebody's name, so none is ever kept; nor is a comment, of which
//! [`trace_id`] takes the id of a trace at the most. Where the end of a literal cannot be told for sure, the rest
//! of the text goes with it.

/// Stands for a literal.
const LITERAL: &str = "?";
/// Stands for a rest that is left out.
const CUT: &str = "..";
/// Longest normalised text in bytes; PostgreSQL itself shows 1 kB of a running statement.
pub const MAX_TEXT: usize = 4096;

/// One piece of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// Kept as it is: a word, a quoted identifier, a parameter, an operator.
    Plain(&'a str),
    /// A literal.
    Literal,
    /// White space or a comment.
    Gap,
    /// From here on nothing is certain.
    Unsure,
}

/// A statement with every literal replaced by `?`, without comments, on one line, at most [`MAX_TEXT`] bytes.
/// Normalising twice changes nothing more.
#[must_use]
pub fn normalise(sql: &str) -> String {
    let mut text = String::new();
    let mut gap = false;
    let mut tokens = Tokens(sql);
    let mut words = Words::default();
    while let Some(token) = tokens.take() {
        let token = match token {
            // What was cut off once stays so.
            Token::Plain(".") if tokens.0 == "." => Token::Unsure,
            token => token,
        };
        let piece = match token {
            Token::Gap => {
                gap = !text.is_empty();
                continue;
            }
            Token::Plain(piece) => piece,
            Token::Literal => LITERAL,
            Token::Unsure => CUT,
        };
        if text.len() + piece.len() + 1 > MAX_TEXT - CUT.len() {
            text.push_str(CUT);
            break;
        }
        if std::mem::take(&mut gap) {
            text.push(' ');
        }
        text.push_str(piece);
        if token == Token::Unsure {
            break;
        }
        if words.ends_in_a_value(piece) {
            text.push_str(" ?");
            break;
        }
    }
    text
}

/// A number for a statement whose server gives it no id: equal for texts that differ in literals, parameter
/// numbers, white space and letter case only. It never changes between versions (FNV-1a).
#[must_use]
pub fn fingerprint(normalised: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut add = |piece: &str| {
        // A zero ends each piece, so that `a b` differs from `ab`.
        for byte in piece.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    let mut tokens = Tokens(normalised);
    while let Some(token) = tokens.take() {
        match token {
            Token::Gap => {}
            Token::Plain(piece) if !piece.starts_with('$') => add(&piece.to_lowercase()),
            Token::Plain(_) | Token::Literal | Token::Unsure => add(LITERAL),
        }
    }
    hash
}

/// The trace id that a comment of a statement names as sqlcommenter does, `/*traceparent='00-<trace id>-..'*/`: 32
/// lower-case hex digits. Nothing else is read of comments, and nothing of literals.
#[must_use]
pub fn trace_id(sql: &str) -> Option<String> {
    let mut tokens = Tokens(sql);
    loop {
        let text = tokens.0;
        let token = tokens.take()?;
        // A comment that the server cut off is still one.
        if token == Token::Gap || (token == Token::Unsure && text.starts_with("/*")) {
            let found = traceparent(&text[..text.len() - tokens.0.len()]);
            if found.is_some() {
                return found;
            }
        }
    }
}

/// The trace id of a whole `traceparent` within a comment.
fn traceparent(comment: &str) -> Option<String> {
    let (_, value) = comment.split_once("traceparent='")?;
    let mut parts = value.split(['-', '\'']);
    let mut part = |length: usize| {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex))
    };
    let (_version, trace, span) = (part(2)?, part(32)?, part(16)?);
    part(2)?;
    let valid = [trace, span].iter().all(|id| id.bytes().any(|b| b != b'0'));
    valid.then(|| trace.to_owned())
}

/// Whether a text is exactly one statement that `EXPLAIN` may be asked of: a query or a change of rows, whole
/// and with nothing behind it. Whatever is not certain is refused.
#[must_use]
pub fn may_be_explained(sql: &str) -> bool {
    const FIRST: [&str; 5] = ["select", "insert", "update", "delete", "with"];
    let mut tokens = Tokens(sql);
    let (mut first, mut ended) = (None, false);
    while let Some(token) = tokens.take() {
        match token {
            Token::Gap => {}
            Token::Unsure => return false,
            _ if ended => return false,
            Token::Plain(";") => ended = true,
            Token::Plain(piece) => _ = first.get_or_insert(piece),
            Token::Literal => _ = first.get_or_insert(""),
        }
    }
    first.is_some_and(|word| FIRST.iter().any(|f| word.eq_ignore_ascii_case(f)))
}

/// A column of a condition and what it is compared by, e.g. `=`, `<>`, `~~`; empty if that is a word (`IS`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Name without its table.
    pub column: String,
    /// Operator behind it.
    pub operator: String,
}

/// Identifiers of a condition that may be columns, in order and each once: not functions, types, keywords or
/// literals. `o.status` is `status`.
#[must_use]
pub fn compared(condition: &str) -> Vec<Compared> {
    let mut tokens = Tokens(condition);
    let mut pieces = Vec::new();
    while let Some(token) = tokens.take() {
        match token {
            Token::Plain(piece) => pieces.push(piece),
            Token::Literal => pieces.push(LITERAL),
            Token::Gap | Token::Unsure => {}
        }
    }
    let mut found: Vec<Compared> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let next = pieces.get(at + 1).copied().unwrap_or_default();
        let is_type = at >= 2 && pieces[at - 1] == ":" && pieces[at - 2] == ":";
        let goes_on = is_type || matches!(next, "(" | ".") || is_keyword(piece);
        let column = piece.trim_matches('"');
        if is_name(piece) && !goes_on && !found.iter().any(|f| f.column == column) && found.len() < 16 {
            found.push(Compared { column: column.to_owned(), operator: operator(&pieces[at + 1..]) });
        }
    }
    found
}

/// The operator that comes next, behind closing brackets and the name of a type.
fn operator(pieces: &[&str]) -> String {
    let behind = pieces.iter().skip_while(|p| matches!(**p, ")" | ":") || (is_name(p) && !is_keyword(p)));
    behind.take_while(|p| "<>=~!*@&|".contains(**p)).copied().collect()
}

fn is_name(piece: &str) -> bool {
    piece.starts_with('"') || piece.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn is_keyword(piece: &str) -> bool {
    const KEYWORDS: [&str; 24] = [
        "and", "or", "not", "is", "null", "any", "all", "array", "like", "ilike", "similar", "between", "in",
        "true", "false", "case", "when", "then", "else", "end", "with", "time", "zone", "varying",
    ];
    KEYWORDS.iter().any(|k| piece.eq_ignore_ascii_case(k))
}

/// `SET name = value`: values may be bare words, so all of them are left out.
#[derive(Default)]
struct Words {
    seen: usize,
    sets: bool,
}

impl Words {
    fn ends_in_a_value(&mut self, piece: &str) -> bool {
        self.seen += 1;
        if self.seen == 1 {
            self.sets = piece.eq_ignore_ascii_case("set");
        }
        self.sets && (piece == "=" || piece.eq_ignore_ascii_case("to"))
    }
}

/// Takes a text apart as PostgreSQL's scanner does, as far as literals and comments need it.
struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn take(&mut self) -> Option<Token<'a>> {
        let text = self.0;
        let first = text.chars().next()?;
        let (token, length) = match first {
            c if c.is_whitespace() => (Token::Gap, leading(text, char::is_whitespace)),
            '-' if text.starts_with("--") => (Token::Gap, text.find('\n').unwrap_or(text.len())),
            '/' if text.starts_with("/*") => comment(text),
            '\'' => quoted(text, 0, false),
            '"' => identifier(text),
            '$' => dollar(text),
            '0'..='9' => (Token::Literal, number(text)),
            '.' if text[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                (Token::Literal, 1 + number(&text[1..]))
            }
            c if is_word(c) => word(text),
            c => (Token::Plain(&text[..c.len_utf8()]), c.len_utf8()),
        };
        self.0 = if token == Token::Unsure { "" } else { &text[length..] };
        Some(token)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphabetic() || c == '_' || (!c.is_ascii() && !c.is_whitespace())
}

fn leading(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

/// Digits, underscores, a fraction, an exponent, a base: whatever hangs together.
fn number(text: &str) -> usize {
    let mut length = leading(text, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
    if text[..length].ends_with(['e', 'E']) && !text.starts_with("0x") {
        let rest = &text[length..];
        if let Some(digits) = rest.strip_prefix(['+', '-']) {
            length += 1 + leading(digits, |c| c.is_ascii_digit());
        }
    }
    length
}

/// A word, or a literal that begins with letters: `E'..'`, `B'..'`, `X'..'`, `N'..'`, `U&'..'`.
fn word(text: &str) -> (Token<'_>, usize) {
    let length = leading(text, |c| is_word(c) || c.is_ascii_digit() || c == '$');
    let (word, rest) = text.split_at(length);
    if rest.starts_with('\'') && word.len() == 1 && "eEbBxXnN".contains(word) {
        return quoted(text, 1, word.eq_ignore_ascii_case("e"));
    }
    if word.eq_ignore_ascii_case("u") && rest.starts_with("&'") {
        return quoted(text, 2, false);
    }
    (Token::Plain(word), length)
}

/// A literal in single quotes that begin at `at`. A backslash before a quote ends a plain literal or not,
/// depending on a setting of the server: then nothing is certain.
fn quoted(text: &str, at: usize, escapes: bool) -> (Token<'_>, usize) {
    let bytes = text.as_bytes();
    let mut i = at + 1;
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'\\' if escapes => i += 1,
            b'\\' if bytes.get(i + 1) == Some(&b'\'') => return (Token::Unsure, text.len()),
            b'\'' if bytes.get(i + 1) == Some(&b'\'') => i += 1,
            b'\'' => return (Token::Literal, i + 1),
            _ => {}
        }
        i += 1;
    }
    // Cut off by the server, or by hand.
    (Token::Unsure, text.len())
}

fn identifier(text: &str) -> (Token<'_>, usize) {
    match text[1..].find('"') {
        Some(end) => (Token::Plain(&text[..end + 2]), end + 2),
        None => (Token::Unsure, text.len()),
    }
}

/// `$1`, or a literal `$tag$..$tag$`.
fn dollar(text: &str) -> (Token<'_>, usize) {
    let digits = leading(&text[1..], |c| c.is_ascii_digit());
    if digits > 0 {
        return (Token::Plain(&text[..=digits]), digits + 1);
    }
    let name = leading(&text[1..], |c| is_word(c) || c.is_ascii_digit());
    if !text[1 + name..].starts_with('$') {
        return (Token::Plain("$"), 1);
    }
    let (tag, rest) = text.split_at(name + 2);
    match rest.find(tag) {
        Some(end) => (Token::Literal, tag.len() * 2 + end),
        None => (Token::Unsure, text.len()),
    }
}

/// Comments nest.
fn comment(text: &str) -> (Token<'_>, usize) {
    let bytes = text.as_bytes();
    let (mut depth, mut i) = (0_usize, 0);
    while i + 1 < bytes.len() {
        match &bytes[i..i + 2] {
            b"/*" => (depth, i) = (depth + 1, i + 2),
            b"*/" if depth == 1 => return (Token::Gap, i + 2),
            b"*/" => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    (Token::Unsure, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_literal_and_no_comment_is_kept() {
        for (sql, normal) in [
            ("SELECT * FROM t\n WHERE a = 'x''y'  AND b=12.5e-3", "SELECT * FROM t WHERE a = ? AND b=?"),
            ("select $1, $2::int", "select $1, $2::int"),
            ("SELECT /* user /* 7 */ */ 1, -- hunter2\nE'a\\'b', U&'x', B'01'", "SELECT ?, ?, ?, ?"),
            ("SELECT $x$secret's$x$ FROM \"T 1\", t1", "SELECT ? FROM \"T 1\", t1"),
            ("SELECT 'it\\'s a secret', 1", "SELECT .."),
            ("SELECT 'cut off", "SELECT .."),
            ("ALTER ROLE a PASSWORD 'p'", "ALTER ROLE a PASSWORD ?"),
            ("SET app.token = abc", "SET app.token = ?"),
            ("set session x to abc", "set session x to ?"),
            ("UPDATE t SET a = b WHERE c = .5", "UPDATE t SET a = b WHERE c = ?"),
        ] {
            assert_eq!(normalise(sql), normal, "{sql}");
            assert_eq!(normalise(normal), normal);
        }
        assert!(normalise(&"a ".repeat(9000)).len() <= MAX_TEXT);
    }

    #[test]
    fn the_trace_of_a_statement_is_read_from_its_comments_alone() {
        const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = format!("traceparent='00-{ID}-00f067aa0ba902b7-01'");
        for sql in [
            format!("SELECT 1 /*{parent}*/"),
            format!("/*app='shop',{parent},tracestate='a%3Db'*/ SELECT 'x' FROM t"),
            format!("SELECT /* first */ $1 /* {parent} */;"),
            format!("SELECT 1 -- {parent}\nFROM t"),
            format!("SELECT 1 /*{parent},tracestate='cut of"),
        ] {
            assert_eq!(trace_id(&sql).as_deref(), Some(ID), "{sql}");
            assert!(!normalise(&sql).contains(ID));
        }
        let quoted = parent.replace('\'', "''");
        for sql in [
            String::new(),
            format!("SELECT '/*{quoted}*/'"),
            format!("SELECT $a$/*{parent}*/$a$"),
            format!("SELECT \"/*{parent}*/\""),
            format!("SELECT 'it\\'s' /*{parent}*/"),
            format!("SELECT 1 /*{}*/", parent.replace("4bf9", "4BF9")),
            format!("SELECT 1 /*{}*/", parent.replace(ID, &"0".repeat(32))),
            format!("SELECT 1 /*{}*/", parent.replace("e4736", "e473")),
            format!("SELECT 1 /*{}*/", parent.replace("4736-", "4736secret-")),
            format!("SELECT 1 /*{}", &parent[..parent.len() - 3]),
        ] {
            assert_eq!(trace_id(&sql), None, "{sql}");
        }
    }

    #[test]
    fn equal_statements_have_equal_fingerprints() {
        let of = |sql: &str| fingerprint(&normalise(sql));
        assert_eq!(of("SELECT a FROM t WHERE b = 'x'"), of("select a\nfrom t where b=$1"));
        assert_ne!(of("SELECT a FROM t"), of("SELECT b FROM t"));
    }

    #[test]
    fn only_one_plain_statement_may_be_explained() {
        for sql in ["SELECT 1", " /* x */ with a as (select ';') select * from a;", "delete from t"] {
            assert!(may_be_explained(sql), "{sql}");
        }
        for sql in ["", "DROP TABLE t", "SELECT 1; DROP TABLE t", "SELECT 'a\\'; DROP TABLE t", "EXPLAIN x"] {
            assert!(!may_be_explained(sql), "{sql}");
        }
    }

    #[test]
    fn columns_are_told_from_functions_types_and_words() {
        let of = |condition: &str| -> Vec<String> {
            compared(condition).into_iter().map(|c| format!("{} {}", c.column, c.operator)).collect()
        };
        let filter = "((lower((o.status)::text) = $1) AND (\"Total\" >= '5'::numeric) AND (note IS NULL))";
        assert_eq!(of(filter), ["status =", "Total >=", "note "]);
        assert_eq!(of("(customer = ANY ('{1,2}'::integer[]))"), ["customer ="]);
        assert_eq!(of("((note <> 'x'::text) AND (a !~~ $1))"), ["note <>", "a !~~"]);
    }
}
