//! What went wrong in TLS, in words for people: rustls speaks to programmers, and with the time of day in some
//! of its messages.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};
use rustls_pki_types::UnixTime;

/// Names of a certificate that are shown at the most.
const NAMES: usize = 3;

/// The reason behind an error of a TLS stream.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => certificate(why),
        Some(Error::AlertReceived(alert)) => refusal(*alert),
        Some(Error::InvalidMessage(_)) => "what the server sent is no TLS: check scheme and port".into(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the server closed the connection".into(),
        _ => error.to_string(),
    }
}

/// Why the server's certificate is not accepted.
fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => {
            "the certificate is signed by nobody who is trusted: name its authority in target.ca".into()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate has expired on {}", day(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the certificate is not valid before {}", day(*not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            format!("the certificate is not for `{expected}` but for {}", names(presented))
        }
        other => format!("the certificate is not valid ({other})"),
    }
}

/// Names as rustls gives them, `DnsName("localhost")`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"').chars().take(60).collect::<String>()
    };
    let shown: Vec<_> = presented.iter().take(NAMES).map(plain).collect();
    match presented.len() {
        0 => "no name at all".into(),
        n if n > NAMES => format!("{} and {} more", shown.join(", "), n - NAMES),
        _ => shown.join(", "),
    }
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%d").to_string()
}

/// Why the server broke off.
fn refusal(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => {
            "the server wants a client certificate: give target.client-certificate and target.client-key"
                .into()
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => format!("the server does not accept the client's certificate ({alert:?})"),
        Alert::NoApplicationProtocol => {
            "the server does not speak the version of HTTP that ALPN offered".into()
        }
        Alert::UnrecognisedName => "the server knows no such name (UnrecognisedName)".into(),
        other => format!("the server refused ({other:?})"),
    }
}
