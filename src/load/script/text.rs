//! Texts with variables, compiled: what stands between the variables is copied, the rest looked up by number.

use std::fmt;
use std::io::Write as _;

use super::values::{Context, Missing, Names, Slot, Values};
use crate::scenario::text::{Builtin, Part, parts};

/// Keeps the draws for different purposes apart.
const UUID: u64 = 0x7575_6964_5f68_6900;
const UUID_LOW: u64 = 0x7575_6964_5f6c_6f00;
const RANDOM: u64 = 0x7261_6e64_6f6d_0000;

/// Where a text is going, and so what its values may hold. Literal parts are never touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safety {
    /// Into a request line. The value of a query's parameter (after its `=`) is data: everything but unreserved
    /// characters is percent-encoded. Elsewhere a value may be a whole path or query: what a request line cannot
    /// carry (RFC 3986) is encoded, and so is `#`; separators such as `/`, `&` and `%` stay.
    Path,
    /// Into a header: control characters are refused.
    Header,
    /// Into a body: anything goes.
    Body,
}

/// A variable that nothing gives a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownVariable(pub(crate) String);

/// A compiled text.
#[derive(Clone)]
pub(crate) struct Text {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    /// A value, and where a path would have it.
    Value(Slot, Spot),
    Made(Builtin, u64),
}

/// Where in a path the literal parts before it leave a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    Path,
    /// Behind the `?`.
    Query,
    /// Behind the `=` of a query's parameter.
    Parameter,
}

impl Spot {
    fn after(self, literal: &str) -> Self {
        literal.bytes().fold(self, |spot, byte| match (spot, byte) {
            (Self::Path, b'?') | (Self::Parameter, b'&') => Self::Query,
            (Self::Query, b'=') => Self::Parameter,
            _ => spot,
        })
    }
}

impl Text {
    /// Compiles a text.
    ///
    /// # Errors
    /// The first variable that neither a feeder nor an extraction gives a value.
    pub(crate) fn compile(text: &str, names: &mut Names) -> Result<Self, UnknownVariable> {
        let mut spot = Spot::Path;
        let piece = |part| match part {
            Part::Literal(text) => {
                spot = spot.after(&text);
                Ok(Piece::Literal(text.into_bytes().into()))
            }
            Part::Variable(name) => match names.find(&name) {
                Some(slot) => Ok(Piece::Value(slot, spot)),
                None => Err(UnknownVariable(name)),
            },
            Part::Builtin(builtin) => Ok(Piece::Made(builtin, names.place())),
        };
        Ok(Self { pieces: parts(text).into_iter().map(piece).collect::<Result<_, _>>()? })
    }

    /// The whole text, if it has no variables.
    pub(crate) fn fixed(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Feeders whose columns it uses.
    pub(crate) fn feeders(&self) -> impl Iterator<Item = usize> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(Slot::Column { feeder, .. }, _) => Some(*feeder),
            _ => None,
        })
    }

    /// Appends the text with its variables filled in.
    ///
    /// # Errors
    /// [`Missing`] names the first variable without a value, or whose value cannot go there; `out` holds
    /// half a text then.
    pub(crate) fn render(
        &self,
        values: &Values,
        context: &Context,
        out: &mut Vec<u8>,
        safety: Safety,
    ) -> Result<(), Missing> {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Made(builtin, place) => make(*builtin, *place, context, out),
                Piece::Value(slot, spot) => {
                    let value = values.get(*slot)?.as_bytes();
                    match safety {
                        Safety::Body => out.extend_from_slice(value),
                        Safety::Path => encode(value, *spot, out),
                        Safety::Header if value.iter().any(|b| is_control(*b)) => {
                            return Err(Missing::Control(values.name(*slot)));
                        }
                        Safety::Header => out.extend_from_slice(value),
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    /// Never the text: a password may be part of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// RFC 9110, section 5.5: control characters but the tab.
pub(crate) const fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

fn make(builtin: Builtin, place: u64, context: &Context, out: &mut Vec<u8>) {
    let written = match builtin {
        Builtin::Seq => write!(out, "{}", context.seq),
        Builtin::Vu => write!(out, "{}", context.vu),
        Builtin::Now => write!(out, "{}", context.now),
        Builtin::Random => write!(out, "{}", context.draw(RANDOM ^ place) >> 33),
        Builtin::Uuid => {
            // RFC 9562, section 5.4: version 4, variant 10.
            let high = context.draw(UUID ^ place) & !0xf000 | 0x4000;
            let low = context.draw(UUID_LOW ^ place) >> 2 | 1 << 63;
            let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
            write!(out, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
        }
    };
    written.expect("memory accepts bytes");
}

/// Percent-encodes what RFC 3986 leaves out of paths and queries, where brackets stay as browsers have it, or out
/// of a parameter's value.
fn encode(value: &[u8], spot: Spot, out: &mut Vec<u8>) {
    let stays = |byte: u8| match spot {
        Spot::Parameter => byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
        Spot::Path | Spot::Query => byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte),
    };
    for &byte in value {
        if stays(byte) {
            out.push(byte);
        } else {
            let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::values::Shared;
    use super::*;

    fn known(values: &[(&str, &str)]) -> (Names, Values) {
        let mut names = Names::default();
        let numbers: Vec<usize> = values.iter().map(|(name, _)| names.define(name)).collect();
        let shared = Shared { names: names.clone(), feeders: Vec::new() };
        let mut known = Values::new(Arc::new(shared), Arc::default());
        for (number, (_, value)) in numbers.into_iter().zip(values) {
            known.set(number, value).expect("short");
        }
        (names, known)
    }

    fn rendered(text: &str, value: &str, safety: Safety) -> Result<Vec<u8>, Missing> {
        let (mut names, values) = known(&[("v", value)]);
        let text = Text::compile(text, &mut names).expect("known");
        let mut out = Vec::new();
        text.render(&values, &Context::default(), &mut out, safety).map(|()| out)
    }

    #[test]
    fn values_go_where_they_can_do_no_harm() {
        let hostile = "a b\r\nx: y?q=1&é#%2F";
        assert_eq!(
            rendered("/{p}/${v}", hostile, Safety::Path).as_deref(),
            Ok(b"/{p}/a%20b%0D%0Ax:%20y?q=1&%C3%A9%23%2F".as_slice())
        );
        assert_eq!(
            rendered("/s?q=${v}", "R&D 100%/é", Safety::Path),
            Ok("/s?q=R%26D%20100%25%2F%C3%A9".into())
        );
        assert_eq!(rendered("/s?a=1&b=x${v}", "=&", Safety::Path), Ok("/s?a=1&b=x%3D%26".into()));
        assert_eq!(rendered("/s?${v}", "q=1&p=50%25", Safety::Path), Ok("/s?q=1&p=50%25".into()));
        assert_eq!(rendered("/s?a=1&${v}", "b=2", Safety::Path), Ok("/s?a=1&b=2".into()));
        assert_eq!(rendered("${v}", hostile, Safety::Header), Err(Missing::Control("v".into())));
        assert_eq!(rendered("t ${v}", "a\tb é", Safety::Header), Ok("t a\tb é".into()));
        assert_eq!(rendered("<${v}>", hostile, Safety::Body), Ok(format!("<{hostile}>").into_bytes()));
    }

    #[test]
    fn fixed_texts_are_known_as_such_and_unknown_variables_are_named() {
        let mut names = Names::default();
        let fixed =
            |text: &str, names: &mut Names| Text::compile(text, names).map(|t| t.fixed().map(<[u8]>::to_vec));
        assert_eq!(fixed("", &mut names), Ok(Some(Vec::new())));
        assert_eq!(fixed("/a $${b}", &mut names), Ok(Some(b"/a ${b}".to_vec())));
        assert_eq!(fixed("${seq}", &mut names), Ok(None));
        assert_eq!(fixed("${nobody}", &mut names), Err(UnknownVariable("nobody".into())));
    }

    #[test]
    fn made_values_repeat_with_seed_journey_and_place() {
        let (mut names, values) = known(&[]);
        let text = Text::compile("${seq} ${vu} ${now} ${random} ${random} ${uuid} ${uuid}", &mut names)
            .expect("known");
        let words = |context| {
            let mut out = Vec::new();
            text.render(&values, &context, &mut out, Safety::Header).expect("made");
            let out = String::from_utf8(out).expect("ascii");
            out.split(' ').map(str::to_owned).collect::<Vec<_>>()
        };
        let context = Context { seq: 5, vu: 2, seed: 7, now: 1_700_000_000_123 };
        let first = words(context);
        assert_eq!(first[..3], ["5", "2", "1700000000123"]);
        assert_eq!(first, words(context));
        assert!(first[3] != first[4] && first[5] != first[6], "{first:?}");
        assert!(first[3].parse::<u64>().expect("a number") < 1 << 31);
        for uuid in &first[5..] {
            let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.as_bytes()[14] == b'4' && b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
        for other in
            [Context { seq: 6, ..context }, Context { vu: 3, ..context }, Context { seed: 8, ..context }]
        {
            assert!(words(other)[3..].iter().zip(&first[3..]).all(|(a, b)| a != b), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_value_leaves_the_request_line_or_the_header(value in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let path = rendered("/${v}", &value, Safety::Path).expect("encoded");
            prop_assert!(path.iter().all(u8::is_ascii_graphic));
            if let Ok(header) = rendered("${v}", &value, Safety::Header) {
                prop_assert!(!header.iter().any(|b| is_control(*b)));
            }
        }
    }
}
