//! `[[evidence.otlp]]`.

use super::*;

#[test]
fn the_receiver_of_otlp_listens_where_exporters_send_unless_told_otherwise() {
    let kind = |text: &str| {
        let s = good(&format!("{TARGET}{LOAD}[[evidence.otlp]]\n{text}\n"), &[]);
        match s.evidence[0].kind {
            EvidenceKind::Otlp { grpc, http, budget, linger } => {
                (grpc.map(|a| a.to_string()), http.map(|a| a.to_string()), budget, linger)
            }
            _ => panic!("otlp"),
        }
    };
    let some = |text: &str| Some(text.to_owned());
    let six = Duration::from_secs(6);
    assert_eq!(kind(""), (some("127.0.0.1:4317"), some("127.0.0.1:4318"), 512 << 20, six));
    let only = kind("http = \"0.0.0.0:5000\"\nbudget = \"2GB\"\nlinger = \"0s\"");
    assert_eq!(only, (None, some("0.0.0.0:5000"), 2_000_000_000, Duration::ZERO));
}

#[test]
fn mistakes_about_the_receiver_are_named() {
    for (text, expected) in [
        (
            "[[evidence.otlp]]\ngrpc = \"localhost\"",
            "s.toml:7: evidence.otlp[0].grpc = \"localhost\": is no address with a port",
        ),
        (
            "[[evidence.otlp]]\nbudget = 5",
            "s.toml:7: evidence.otlp[0].budget = 5: has no unit: write e.g. \"5MiB\"",
        ),
        (
            "[[evidence.otlp]]\nbudget = \"9kB\"",
            "s.toml:7: evidence.otlp[0].budget = \"9kB\": is less than 1MiB",
        ),
        (
            "[[evidence.otlp]]\nlinger = \"9s\"",
            "s.toml:7: evidence.otlp[0].linger = \"9s\": is longer than 8s",
        ),
        ("[[evidence.otlp]]\n[[evidence.otlp]]", "s.toml:7: evidence.otlp[1]: one receiver takes what all"),
    ] {
        let found = problems(&format!("{TARGET}{LOAD}{text}\n"), &[]);
        assert!(
            found.iter().any(|p| p.starts_with(expected)),
            "{text}\nexpected {expected}\nfound {found:#?}"
        );
    }
}
