//! The pattern of a message: what stays the same when the values in it change.

/// Characters of a pattern at the most.
const MAX_CHARS: usize = 200;
/// What stands in the place of a value.
const VALUE: &str = "<*>";

/// The message with `<*>` in the place of everything that looks like a value: words with a digit (numbers, durations,
/// addresses, ids), long hexadecimal words, and quoted texts. Line breaks become spaces.
#[must_use]
pub fn pattern(message: &str) -> String {
    let (mut out, mut length) = (String::new(), 0);
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let (piece, after) = match first {
            '"' | '\'' | '`' => quoted(rest, first),
            c if is_word(c) => word(rest),
            c if c.is_whitespace() || c.is_control() => {
                (" ", rest.trim_start_matches(|c: char| c.is_whitespace() || c.is_control()))
            }
            c => rest.split_at(c.len_utf8()),
        };
        rest = after;
        // Values next to each other are one: lists of any length share a pattern.
        let before = out.trim_end_matches([' ', ',']).len();
        if piece == VALUE && out[..before].ends_with(VALUE) {
            out.truncate(before);
            continue;
        }
        length += piece.chars().count();
        if length > MAX_CHARS {
            out.push('\u{2026}');
            break;
        }
        out.push_str(piece);
    }
    out.trim().to_owned()
}

/// A quoted text with its quotes; the quote alone where it is not closed.
fn quoted(text: &str, quote: char) -> (&str, &str) {
    let inner = &text[1..];
    match inner.find(quote) {
        // An apostrophe is no quote.
        Some(end) if !inner[..end].contains('\n') => (VALUE, &inner[end + 1..]),
        _ => text.split_at(1),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | '+' | '%' | '@')
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    // A full stop or a colon after a word is punctuation.
    let bare = word.trim_end_matches(['.', ':']);
    let (word, rest) = if bare.is_empty() { (word, rest) } else { text.split_at(bare.len()) };
    let value = word.bytes().any(|b| b.is_ascii_digit()) || is_hex(word);
    (if value { VALUE } else { word }, rest)
}

fn is_hex(word: &str) -> bool {
    word.len() >= 16 && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}
