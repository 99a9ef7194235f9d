//! Text from a target is hostile: function names, URLs, error texts and metric names reach a report only
//! through this module.
//!
//! Rules follow GitHub Flavored Markdown 0.29. Escaped text stays readable in a terminal: a character is
//! escaped only where it could mean something.

/// Longest text shown in one place; longer ones end in `...`. The whole text stays in `analysis.json`.
pub(crate) const LONGEST: usize = 600;

/// Text on one line, without control characters or characters that reorder what is around them.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST * 4));
    let mut chars = text.trim().chars();
    for c in chars.by_ref().take(LONGEST) {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
            c if is_invisible(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    if chars.next().is_some() {
        out.push_str("...");
    }
    out
}

/// Control characters, direction overrides and isolates (they reorder text on screen), zero-width marks,
/// and the code points XML forbids.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Prose inside Markdown: shows the characters of `text` and nothing else. Safe in table cells.
pub(crate) fn text(text: &str) -> String {
    let clean = line(text);
    let chars: Vec<char> = clean.chars().collect();
    let mut out = String::with_capacity(clean.len() + 16);
    for (i, &c) in chars.iter().enumerate() {
        if means_something(&chars, i) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether the character at `i` could start or end an inline or block construct.
fn means_something(chars: &[char], i: usize) -> bool {
    let before = i.checked_sub(1).map(|p| chars[p]);
    let after = chars.get(i + 1).copied();
    let inside_word = before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric);
    match chars[i] {
        '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' | '$' => true,
        // `&name;` and `&#1;` are the only meanings of `&`.
        '&' => after.is_some_and(|c| c.is_ascii_alphabetic() || c == '#'),
        '_' => !inside_word,
        // Bare addresses become links: break `http://` and `www.`.
        ':' => after == Some('/'),
        '.' => starts_item(chars, i) || (i >= 3 && chars[i - 3..i] == ['w', 'w', 'w']),
        ')' => starts_item(chars, i),
        '#' | '=' => i == 0,
        '+' | '-' => i == 0 && !after.is_some_and(|c| c.is_ascii_digit()),
        _ => false,
    }
}

/// Whether a numbered list would begin here: digits, the character at `i`, then a space or nothing.
fn starts_item(chars: &[char], i: usize) -> bool {
    let ends = chars.get(i + 1).is_none_or(|c| *c == ' ');
    ends && i > 0 && chars[..i].iter().all(char::is_ascii_digit)
}

/// A code span that shows `text`, safe in table cells. A `|` splits cells even inside code, and renderers
/// disagree on `\\|` there: such text becomes a `<code>` element in which only entities mean anything.
pub(crate) fn code(text: &str) -> String {
    let clean = line(text);
    if clean.is_empty() {
        return String::new();
    }
    if clean.contains('|') {
        return format!("<code>{}</code>", entities(&clean));
    }
    let fence = "`".repeat(longest_run(&clean, '`') + 1);
    let pad = if clean.starts_with('`') || clean.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{clean}{pad}{fence}")
}

/// Every ASCII punctuation mark as an entity: entities are text, never delimiters.
fn entities(text: &str) -> String {
    let entity =
        |c: char| if c.is_ascii_punctuation() { format!("&#{};", u32::from(c)) } else { c.to_string() };
    text.chars().map(entity).collect()
}

fn longest_run(text: &str, of: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == of { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Text and attribute values of XML and SVG.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A path or name as one word of a shell command.
pub(crate) fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", line(word).replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_keeps_its_characters_and_loses_their_meaning() {
        let table = [
            ("(*Store).Reload", "(\\*Store).Reload"),
            ("go_goroutines", "go_goroutines"),
            ("_private_", "\\_private\\_"),
            ("a|b", "a\\|b"),
            ("![x](http://evil/p.png)", "!\\[x\\](http\\://evil/p.png)"),
            ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
            ("a & b &lt;", "a & b \\&lt;"),
            ("# title", "\\# title"),
            ("1. item", "1\\. item"),
            ("www.evil.example", "www\\.evil.example"),
            ("two\nlines\r\n| x |", "two lines  \\| x \\|"),
            ("1.5 ms", "1.5 ms"),
            ("-1.5 ms", "-1.5 ms"),
            ("- item", "\\- item"),
            ("---", "\\---"),
        ];
        for (raw, want) in table {
            assert_eq!(text(raw), want);
        }
    }

    #[test]
    fn code_spans_cannot_be_left() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code("a\\|b\n"), "<code>a&#92;&#124;b</code>");
        assert_eq!(code(""), "");
    }

    #[test]
    fn invisible_characters_are_shown_as_such_and_length_is_bounded() {
        assert_eq!(line("a\u{1b}[31mb\u{202e}c\0"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}");
        assert_eq!(line(&"x".repeat(10_000)).len(), LONGEST + 3);
    }

    #[test]
    fn xml_and_shell() {
        assert_eq!(xml("<a b=\"c\" d='e'>&\u{8}"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}");
        assert_eq!(shell("profiles/shop/cpu"), "profiles/shop/cpu");
        assert_eq!(shell("a b; rm -rf '/'"), "'a b; rm -rf '\\''/'\\'''");
        assert_eq!(shell("-x"), "'-x'");
    }
}
