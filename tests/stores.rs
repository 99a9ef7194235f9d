//! Runs against the Go service: faults of its database and its cache. The statement or command to blame is named, with
//! what the server itself says of it: its plan, its number, who held its lock.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;
#[path = "common/databases.rs"]
mod servers;

use std::time::Duration;

use common::{Shop, after, analysis, finish, keep, loadprof, printed, scenario};
use serde_json::Value;
use servers::{PASSWORD, Server};

const RUN: u64 = 26;
const SWITCH: Duration = Duration::from_secs(12);

/// The shop with a database and a cache of its own.
struct Stores {
    shop: Shop,
    database: Server,
    cache: Server,
}

impl Stores {
    fn start() -> Self {
        let (database, cache) = (servers::postgres(false), servers::redis());
        sql(database.port, "CREATE EXTENSION pg_stat_statements");
        let shop = Shop::start(&["-postgres", &dsn(database.port), "-redis", &url(cache.port)]);
        Self { shop, database, cache }
    }

    fn scenario(&self, rate: f64, requests: &str) -> String {
        format!(
            "name = \"stores\"\n[target]\nurl = \"{0}\"\n[load]\nwarm-up = \"2s\"\n\
             [load.constant-arrival-rate]\nrate = \"{rate:.0}/s\"\nfor = \"{RUN}s\"\n{requests}\
             [[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"{0}/debug/pprof\"\n\
             [[evidence.postgres]]\nservice = \"orders-db\"\ndsn = \"{1}\"\n\
             [[evidence.redis]]\nservice = \"baskets\"\nurl = \"{2}\"\n",
            self.shop.url,
            dsn(self.database.port),
            url(self.cache.port)
        )
    }
}

fn dsn(port: u16) -> String {
    format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode=disable")
}

fn url(port: u16) -> String {
    format!("redis://:{PASSWORD}@127.0.0.1:{port}")
}

/// What somebody else does at the database meanwhile.
fn sql(port: u16, statements: &str) {
    servers::execute(port, "nightly", statements);
}

const MIX: &str = "[[request]]\nname = \"account\"\nget = \"/account\"\nweight = 2\n\
                   [[request]]\nname = \"reserve\"\nget = \"/reserve\"\n\
                   [[request]]\nname = \"basket\"\nget = \"/basket\"\n";

/// A run in which something is switched on; its analysis and its report.
fn run(stores: &Stores, rate: f64, requests: &str, fault: impl FnOnce() + Send + 'static) -> (Value, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = scenario(dir.path(), &stores.scenario(rate, requests));
    let out = dir.path().join("run");
    let switched = after(SWITCH, fault);
    let output = finish(loadprof().arg("run").arg(&path).arg("--out").arg(&out), Duration::from_secs(120));
    switched.join().expect("the fault was switched on");
    keep(&out);
    let report = std::fs::read_to_string(out.join("report.md"))
        .unwrap_or_else(|e| panic!("{e}: {}", printed(&output)));
    assert!(!report.contains(PASSWORD));
    (analysis(&out), report)
}

/// The first cause, said aloud.
fn first<'a>(analysis: &'a Value, report: &str) -> &'a Value {
    let head: Vec<&str> = report.lines().take(5).collect();
    eprintln!("{}", head.join("\n"));
    let cause = &analysis["causes"][0];
    assert!(cause.is_object(), "{report}");
    cause
}

fn says(cause: &Value, key: &str, part: &str) {
    let text = cause[key].as_str().unwrap_or_default();
    assert!(text.contains(part), "{key} should say {part:?}: {cause:#}");
}

#[test]
fn a_missing_index_is_named_with_its_statement_and_plan() {
    let stores = Stores::start();
    let port = stores.database.port;
    let (analysis, report) = run(&stores, 60.0, MIX, move || sql(port, "DROP INDEX purchase_customer"));
    let cause = first(&analysis, &report);
    assert_eq!(cause["kind"], "database", "{cause:#}");
    says(cause, "at", "accounts.(*Ledger)");
    says(cause, "doing", "FROM purchase WHERE customer");
    says(cause, "remedy", "CREATE INDEX CONCURRENTLY ON purchase (customer)");
    assert_eq!(analysis["verdict"], "strong", "{report}");
    assert!(
        report.contains("## Databases") && report.contains("purchase is read in the order of"),
        "{report}"
    );
}

#[test]
fn a_statement_in_a_loop_is_told_from_a_slow_one() {
    let stores = Stores::start();
    let url = stores.shop.url.clone();
    let (analysis, report) =
        run(&stores, 120.0, MIX, move || common::set(&url, "row-titles=always&lines=40"));
    let cause = first(&analysis, &report);
    assert_eq!(cause["kind"], "database", "{cause:#}");
    says(cause, "doing", "SELECT title FROM article WHERE item =");
    says(cause, "mechanism", "times instead of");
    says(cause, "remedy", "one statement");
}

#[test]
fn a_session_that_keeps_a_row_locked_is_to_blame_not_those_who_wait() {
    let stores = Stores::start();
    let port = stores.database.port;
    let held = "BEGIN;SELECT remaining FROM stock WHERE item = 7 FOR UPDATE;sleep 150;COMMIT;sleep 100;";
    let hot = "[[request]]\nname = \"reserve\"\nget = \"/reserve?item=7\"\n";
    let (analysis, report) =
        run(&stores, 60.0, hot, move || sql(port, held.repeat(50).trim_end_matches(';')));
    let cause = first(&analysis, &report);
    assert_eq!(cause["kind"], "database", "{cause:#}");
    says(cause, "at", "accounts.(*Ledger).Reserve");
    says(cause, "doing", "SELECT remaining FROM stock WHERE item = ? FOR UPDATE");
    says(cause, "mechanism", "waits for a lock");
    says(cause, "mechanism", "idle in transaction");
    assert!(report.contains("nightly"), "who holds it: {report}");
}

#[test]
fn a_command_that_looks_at_every_key_is_named() {
    let stores = Stores::start();
    let url = stores.shop.url.clone();
    let (analysis, report) = run(&stores, 60.0, MIX, move || common::set(&url, "census=always"));
    let cause = first(&analysis, &report);
    assert_eq!(cause["kind"], "cache", "{cause:#}");
    says(cause, "at", "basket.(*Shelf).Visit");
    says(cause, "doing", "keys");
    assert!(report.contains("(Redis)"), "{report}");
}
