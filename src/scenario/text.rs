//! Texts with variables in them: `/products/${user.id}?page=${page}`.
//!
//! A variable is a column of a feeder (`${feeder.column}`), a value that an earlier step or a setup request
//! extracted (`${name}`), or one that the generator makes itself ([`Builtin`]). Names are lower case: upper
//! case ones are the environment's and are filled when the file is read. `$${` stands for `${`.

/// Longest text that is kept of one variable's value, in bytes.
pub const MAX_VALUE: usize = 64 * 1024;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Sent as it stands.
    Literal(String),
    /// Replaced by the variable's value.
    Variable(String),
    /// Replaced by what the generator makes.
    Builtin(Builtin),
}

/// Values that the generator makes itself; all but the time repeat with the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// `${seq}`: number of the arrival (open model) or of the user's own journey (closed model), from 0.
    Seq,
    /// `${vu}`: index of the virtual user, from 0; 0 in the open model.
    Vu,
    /// `${uuid}`: a random UUID (version 4), new at every place.
    Uuid,
    /// `${random}`: a random whole number from 0 to 2^31 - 1, new at every place.
    Random,
    /// `${now}`: milliseconds since 1970.
    Now,
}

impl Builtin {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("seq", Self::Seq),
        ("vu", Self::Vu),
        ("uuid", Self::Uuid),
        ("random", Self::Random),
        ("now", Self::Now),
    ];
}

/// Whether a cell of a file's first line may be shown as the name of a column. The line may be a record, if
/// somebody forgot the names, and its cells passwords: what is no word stays hidden, digits included.
#[must_use]
pub fn is_plain_name(cell: &str) -> bool {
    let first = cell.chars().next();
    let plain = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '-';
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && cell.len() <= 40 && cell.chars().all(plain)
}

/// Splits a text at its variables. A `${` that begins no lower-case name stays as it is.
#[must_use]
pub fn parts(text: &str) -> Vec<Part> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        literal.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((name, tail)) = variable(rest) {
            if !literal.is_empty() {
                out.push(Part::Literal(std::mem::take(&mut literal)));
            }
            let builtin = Builtin::ALL.iter().find(|(known, _)| *known == name);
            out.push(builtin.map_or_else(|| Part::Variable(name.to_owned()), |(_, b)| Part::Builtin(*b)));
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("$${") {
            literal.push_str("${");
            rest = tail;
        } else {
            literal.push('$');
            rest = &rest[1..];
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        out.push(Part::Literal(literal));
    }
    out
}

/// Whether a text has a variable or a value made by the generator.
#[must_use]
pub fn has_variables(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| variable(&text[at..]).is_some())
}

/// The name at the front of `${name}...` and what follows: letters, digits, `_`, `-`, dots between.
fn variable(text: &str) -> Option<(&str, &str)> {
    let (name, tail) = text.strip_prefix("${")?.split_once('}')?;
    is_variable(name).then_some((name, tail))
}

/// Whether a name can stand between `${` and `}`.
#[must_use]
pub fn is_variable(name: &str) -> bool {
    let word = |w: &str| {
        w.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let mut words = name.split('.');
    // The column of a feeder is named by its file's author.
    words.next().is_some_and(word)
        && words.next().is_none_or(|column| {
            !column.is_empty() && column.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        })
        && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_at_their_variables() {
        let lit = |t: &str| Part::Literal(t.into());
        let var = |t: &str| Part::Variable(t.into());
        assert_eq!(
            parts("/a?b=${page}&u=${user.ID}"),
            [lit("/a?b="), var("page"), lit("&u="), var("user.ID")]
        );
        assert_eq!(parts("${uuid}${vu}"), [Part::Builtin(Builtin::Uuid), Part::Builtin(Builtin::Vu)]);
        assert_eq!(parts("$${page} $5 ${} ${A} ${a.b.c} $"), [lit("${page} $5 ${} ${A} ${a.b.c} $")]);
        assert_eq!(parts(""), []);
        assert!(has_variables("x${a}") && !has_variables("${A} $a {a}"));
    }
}
