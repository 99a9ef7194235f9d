//! Settings that cannot work are refused before any load, by key, file and remedy.

use super::*;
use crate::load::ConnectError;

fn refused(base: &str, transport: &Transport) -> ConnectError {
    Connector::prepare(&Url::parse(base).expect("valid"), transport).expect_err("must be refused")
}

const HTTPS: &str = "https://127.0.0.1/";

#[test]
fn an_authority_that_cannot_be_read_is_refused_by_name() {
    let files = Files::new();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (path, problem) in [
        (files.path().join("missing.pem"), "cannot be opened"),
        (files.write("empty.pem", "nothing here"), "holds no certificate"),
        (files.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"), "is cut off"),
        (files.write("broken.pem", broken), "holds a certificate that is not valid"),
        (files.path().to_owned(), "cannot be read"),
    ] {
        let error = refused(HTTPS, &Transport { ca: Some(path.clone()), ..Transport::default() });
        assert!(matches!(error, ConnectError::Ca { .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("target.ca `{}`: {problem}", path.display())), "{text}");
        assert!(text.ends_with("give a PEM file with at least one certificate"), "{text}");
    }
}

#[test]
fn an_identity_that_cannot_be_used_is_refused_by_name_and_shows_no_key() {
    let (files, authority) = (Files::new(), Authority::new());
    let (leaf, other) = (authority.leaf("client"), authority.leaf("other"));
    let certificate = files.write("client.pem", &leaf.pem);
    let key = files.write("client.key", &leaf.key.serialize_pem());
    let of = |certificate: &Path, key: &Path| Transport {
        identity: Some((certificate.to_owned(), key.to_owned())),
        insecure: true,
        ..Transport::default()
    };
    assert!(Connector::prepare(&Url::parse(HTTPS).expect("valid"), &of(&certificate, &key)).is_ok());
    let missing = files.path().join("missing.pem");
    for path in [&missing, &key] {
        let error = refused(HTTPS, &of(path, &key));
        assert!(matches!(error, ConnectError::Certificate { .. }), "{error}");
        let start = format!("target.client-certificate `{}`: ", path.display());
        assert!(error.to_string().starts_with(&start), "{error}");
    }
    let secret = "hunter2hunter2";
    let section = |text: &str| format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (path, problem) in [
        (missing.clone(), "cannot be opened"),
        (certificate.clone(), "holds no private key"),
        (files.write("other.key", &other.key.serialize_pem()), "is not the key of the certificate in"),
        (files.write("encrypted.key", encrypted), "is encrypted (decrypt it"),
        (files.write("bad.key", &section("=hunter2=hunter2=")), "is no valid PEM"),
        (files.write("odd.key", &section("hunter2hunter2AA")), "cannot be used"),
        (files.write("line.key", &format!("-----BEGIN {secret}\n{secret}")), "is no valid PEM"),
    ] {
        let error = refused(HTTPS, &of(&certificate, &path));
        assert!(matches!(error, ConnectError::Key { .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("target.client-key `{}`: {problem}", path.display())), "{text}");
        assert!(text.contains("PKCS#8, PKCS#1 or SEC1") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn names_and_proxies_that_make_no_sense_are_refused_without_their_passwords() {
    let plain = Transport::default();
    let error = refused("ftp://me:hunter2@h/", &plain).to_string();
    assert_eq!(error, "target `ftp://h/`: needs `http://` or `https://` and a host");
    let named = Transport { server_name: Some("not a name".into()), insecure: true, ..plain.clone() };
    assert!(refused(HTTPS, &named).to_string().starts_with("target.server-name `not a name`: "));
    let proxy = |url: &str| Some(Url::parse(url).expect("valid"));
    let socks = Transport { proxy: proxy("socks5://me:hunter2@127.0.0.1:1"), ..plain.clone() };
    let error = refused("http://127.0.0.1/", &socks).to_string();
    assert!(error.starts_with("target.proxy `socks5://127.0.0.1:1"), "{error}");
    let nowhere = Transport { proxy: proxy("http://me:hunter2@no-such-proxy.invalid:1"), ..plain };
    let error = refused("http://127.0.0.1/", &nowhere).to_string();
    assert!(error.starts_with("proxy host `no-such-proxy.invalid`: "), "{error}");
}
