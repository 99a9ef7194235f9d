//! `auth`: how requests prove who sends them.

use super::super::scalar::{Checked, Placed, Span};
use super::super::{Auth, wire};
use super::Check;

impl Check<'_, '_> {
    /// The credentials and where they stand.
    pub(super) fn auth(&mut self, wire: Option<Placed<wire::Auth>>) -> Option<(Auth, Span)> {
        let (wire, span) = wire?.into_parts();
        let auth = match (wire.basic, wire.bearer) {
            (Some(basic), None) => self.basic(basic),
            (None, Some(token)) => self.credential(Some(token)).map(Auth::Bearer),
            (Some(_), Some(token)) => {
                self.findings.value(&token.span, "`basic` is there too: remove one of the two");
                None
            }
            (None, None) => {
                self.findings.place(
                    &span,
                    "is empty: write { bearer = \"${TOKEN}\" } or { basic = { user = \"..\", password = \"${PASSWORD}\" } }",
                );
                None
            }
        };
        auth.map(|auth| (auth, span))
    }

    fn basic(&mut self, wire: Placed<wire::Basic>) -> Option<Auth> {
        let (wire, span) = wire.into_parts();
        self.require(wire.user.is_some(), &span, "user", "user = \"load\"");
        self.require(wire.password.is_some(), &span, "password", "password = \"${PASSWORD}\"");
        let at = wire.user.as_ref().map(|user| user.span.clone());
        let user = self.credential(wire.user);
        if let (Some(user), Some(at)) = (&user, at)
            && user.contains(':')
        {
            self.findings.value(&at, "holds a colon, which ends the user name (RFC 7617): remove it");
        }
        let password = self.credential(wire.password);
        Some(Auth::Basic { user: user?, password: password? })
    }

    fn credential(&mut self, text: Option<Checked<String>>) -> Option<String> {
        let (text, span) = self.findings.take(text)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            self.findings.value(&span, "must not be empty or hold line breaks or control characters");
            return None;
        }
        self.note_text(&text, &span);
        Some(text)
    }
}
