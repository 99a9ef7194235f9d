//! `[[evidence.expvar]]`, `[[evidence.promql]]` and `profiles` of `[[evidence.go-pprof]]`.

use super::*;

const GO: &str = "[[evidence.go-pprof]]\nservice = \"s\"\nurl = \"/p\"\n";
const PROMQL: &str = "[[evidence.promql]]\nservice = \"s\"\nurl = \"http://h:9090\"\n";

#[test]
fn queries_are_read_and_there_are_usual_ones() {
    let kind = |text: &str| {
        let s = good(
            &format!(
                "{TARGET}{LOAD}[[evidence.expvar]]\nservice = \"s\"\nurl = \"/debug/vars\"\n{PROMQL}{text}\n"
            ),
            &[],
        );
        assert!(matches!(s.evidence[0].kind, EvidenceKind::Expvar));
        match &s.evidence[1].kind {
            EvidenceKind::Promql { queries, settle } => (queries.clone(), *settle),
            _ => panic!("promql"),
        }
    };
    let (usual, settle) = kind("");
    assert_eq!(settle, Duration::from_secs(5));
    let goroutines = usual.iter().find(|q| q.name == "go_goroutines").expect("there");
    assert_eq!(goroutines.query, "go_goroutines{job=\"s\"}");
    let (own, settle) =
        kind("settle = \"0s\"\nqueries = [{ name = \"a.b-1\", query = \" up \", unit = \"ratio\" }]");
    assert_eq!((own.len(), settle), (1, Duration::ZERO));
    assert_eq!((own[0].query.as_str(), own[0].unit), ("up", Some(QueryUnit::Ratio)));
}

#[test]
fn profiles_are_the_usual_ones_unless_named() {
    let names = |text: &str| -> Vec<String> {
        let s = good(&format!("{TARGET}{LOAD}{GO}{text}\n"), &[]);
        match &s.evidence[0].kind {
            EvidenceKind::GoPprof { profiles, .. } => profiles.iter().map(ProfileName::folder).collect(),
            _ => panic!("go-pprof"),
        }
    };
    assert_eq!(names(""), ["mutex", "block", "heap"]);
    assert_eq!(names("profiles = []"), [""; 0]);
    assert_eq!(names("profiles = [\"allocs\", \"shop/db.pool\"]"), ["allocs", "shop-db.pool"]);
}

#[test]
fn mistakes_about_metrics_are_named() {
    let name = "is also a folder's name";
    for (above, text, expected) in [
        (GO, "profiles = [\"../x\"]", "evidence.go-pprof[0].profiles[0] = \"../x\": is no name of a profile"),
        (GO, "profiles = [\"a//b\"]", "evidence.go-pprof[0].profiles[0] = \"a//b\": is no name of a profile"),
        (
            GO,
            "profiles = [\"a?b=c\"]",
            "evidence.go-pprof[0].profiles[0] = \"a?b=c\": is no name of a profile",
        ),
        (
            GO,
            "profiles = [\"cpu\"]",
            "evidence.go-pprof[0].profiles[0] = \"cpu\": is no profile for this list",
        ),
        (GO, "profiles = [\"a/b\", \"a-b\"]", "evidence.go-pprof[0].profiles[1] = \"a-b\": is there already"),
        (PROMQL, "queries = []", "evidence.promql[0]: write 1 to 50 `queries`"),
        (PROMQL, "queries = [{ name = \"a\" }]", "evidence.promql[0].queries[0]: `query` is missing"),
        (PROMQL, "queries = [{ name = \"../a\", query = \"up\" }]", name),
        (PROMQL, "queries = [{ name = \"a/b\", query = \"up\" }]", name),
        (PROMQL, "queries = [{ name = \"a\", query = \"\" }]", "must be an expression of PromQL"),
        (
            PROMQL,
            "queries = [{ name = \"a\", query = \"up\", unit = \"m\" }]",
            "evidence.promql[0].queries[0].unit",
        ),
        (
            PROMQL,
            "queries = [{ name = \"a\", query = \"up\" }, { name = \"a\", query = \"up\" }]",
            "evidence.promql[0].queries[1].name = \"a\": is the name of another query",
        ),
        (PROMQL, "settle = \"9s\"", "evidence.promql[0].settle = \"9s\": must lie between"),
    ] {
        let found = problems(&format!("{TARGET}{LOAD}{above}{text}\n"), &[]);
        assert!(found.iter().any(|p| p.contains(expected)), "{text}\nexpected {expected}\nfound {found:#?}");
    }
}
