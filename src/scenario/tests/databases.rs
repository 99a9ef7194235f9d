//! `[[evidence.postgres]]` and `[[evidence.redis]]`, and that their passwords go nowhere.

use super::*;

fn with(tables: &str, policy: EnvPolicy) -> Result<(Scenario, String), ScenarioError> {
    let env = |name: &str| (name == "PG_DSN").then(|| "postgres://u:hunter2@h/d".to_owned());
    with_env(&format!("{TARGET}{LOAD}{tables}"), &[], policy, &env)
}

#[test]
fn databases_are_as_written() {
    let (s, copy) = with(
        "[[evidence.redis]]\nservice = \"cache\"\nurl = \"rediss://:hunter2@h\"\nsnapshots = true\n\
         [[evidence.postgres]]\nservice = \"db\"\ndsn = \"${PG_DSN}\"\nsnapshots-per-second = 5\nplans = false\n\
         [[evidence.postgres]]\nservice = \"other\"\ndsn = \"host=h user=u password='hunter 2'\"",
        EnvPolicy::Require,
    )
    .expect("right");
    let kinds: Vec<_> = s.evidence.iter().map(|e| (e.kind.name(), e.service.as_str())).collect();
    assert_eq!(kinds, [("redis", "cache"), ("postgres", "db"), ("postgres", "other")]);
    assert!(matches!(s.evidence[0].kind, EvidenceKind::Redis { snapshots: true }));
    let EvidenceKind::Postgres { snapshots_per_second, plans } = s.evidence[1].kind else {
        panic!("postgres")
    };
    assert_eq!((snapshots_per_second, plans), (5.0, false));
    let Location::Database(address) = &s.evidence[1].location else { panic!("an address") };
    assert_eq!(address.expose(), "postgres://u:hunter2@h/d");
    assert!(!format!("{s:?}{copy}").contains("hunter"), "{copy}");
    assert!(
        copy.contains("${PG_DSN}") && copy.contains("rediss://masked@h") && copy.contains("dsn = \"***\"")
    );
    // The copy is read again wherever the run is analysed.
    let tables = copy.split_once("[[").map(|(_, tables)| format!("[[{tables}")).expect("tables");
    assert_eq!(with(&tables, EnvPolicy::Keep).expect("right").0.evidence.len(), 3);
}

#[test]
fn mistakes_in_databases_are_named_without_their_passwords() {
    for (tables, expected) in [
        ("[[evidence.postgres]]\ndsn = \"${PG_DSN}\"", "evidence.postgres[0]: `service` is missing"),
        ("[[evidence.postgres]]\nservice = \"a\"", "evidence.postgres[0]: `dsn` is missing"),
        ("[[evidence.redis]]\nservice = \"a\"", "evidence.redis[0]: `url` is missing"),
        (
            "[[evidence.redis]]\nservice = \"a\"\nurl = \"cache:hunter2@h\"",
            "evidence.redis[0].url: is no address of Redis",
        ),
        (
            "[[evidence.postgres]]\nservice = \"a\"\ndsn = \"hunter2\"",
            "evidence.postgres[0].dsn: is no address of PostgreSQL",
        ),
    ] {
        let message = with(tables, EnvPolicy::Require).expect_err("wrong").to_string();
        assert!(message.contains(expected) && !message.contains("hunter2"), "{message}");
    }
}
