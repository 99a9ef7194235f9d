//! Whole runs of journeys with the binary, in both models of load: what each step sends is right, what the shop
//! counted is what the report says, and no secret is left behind. Then what is told of connections and streams.

mod common;
#[path = "common/journey.rs"]
mod shop;
#[path = "common/slow.rs"]
mod slow;

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use common::contents::{files, holds};
use common::{analysis, finish, loadprof, printed, scenario};
use serde_json::Value;
use shop::{Books, CUSTOMERS, PAUSE, SECRETS, SHOP_KEY, Shop};
use slow::Slow;

/// The run of a scenario: logs in, searches, pauses, orders, is redirected to the order.
struct Ran {
    dir: tempfile::TempDir,
    output: Output,
    books: Books,
}

fn run(users_stay: bool, load: &str, order: &str) -> Ran {
    let shop = Shop::start(users_stay);
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("customers.csv"), shop::customers()).expect("written");
    let step = "headers = { x-shop = \"${shop}\" }\n";
    let bearer = "auth = { bearer = \"${token}\" }\n";
    let pause = PAUSE.as_millis();
    let text = format!(
        r#"
name = "journey"
[target]
url = "{url}"
redirects = 1
[load]
warm-up = "0s"
{load}
[thresholds]
error-rate = "1%"
[[setup]]
name = "open the shop"
post = "/open"
body = '{{"key": "${{SHOP_KEY}}"}}'
extract = {{ shop = {{ json = "$.shop" }} }}
[[feeder]]
name = "customer"
file = "customers.csv"
order = "{order}"
at-end = "repeat"
[[journey]]
name = "order something"
[[journey.step]]
name = "log in"
post = "/login"
{step}
body = '{{"user": "${{customer.id}}", "password": "${{customer.password}}"}}'
extract = {{ token = {{ json = "$.token" }} }}
[[journey.step]]
name = "search"
get = "/search?city=${{customer.city}}"
{step}{bearer}
extract = {{ product = {{ json = "$.items[0].id" }} }}
think-time = {{ from = "{pause}ms", to = "40ms" }}
[[journey.step]]
name = "order"
post = "/orders/${{product}}"
{step}{bearer}
body = '{{"customer": "${{customer.id}}"}}'
[[journey.step.check]]
name = "for that customer"
json = "$.customer"
equals = "${{customer.id}}"
[[journey.step.check]]
name = "has a price"
json = "$.price"
at-least = 0.01
"#,
        url = shop.url
    );
    let path = scenario(dir.path(), &text);
    let mut command = loadprof();
    command.env("SHOP_KEY", SHOP_KEY).arg("run").arg(path).arg("--out").arg(dir.path().join("run"));
    let output = finish(&mut command, Duration::from_secs(40));
    Ran { dir, output, books: shop.books() }
}

impl Ran {
    fn folder(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// What the shop saw was right, and the report says what the shop saw.
    fn check(&self) {
        let books = &self.books;
        let text = printed(&self.output);
        assert!(books.wrong.is_empty(), "{:#?}\n{text}", &books.wrong[..books.wrong.len().min(20)]);
        assert_eq!(self.output.status.code(), Some(99), "the error rate is beyond its threshold: {text}");
        assert_eq!(books.setups, 1);
        assert!(books.priceless > 5 && books.priceless < books.shown, "{books:?}");
        let told = analysis(&self.folder());
        self.counts(&told["load"]);
        self.report(&told["load"]);
        self.live_view();
        self.no_secret();
    }

    fn counts(&self, load: &Value) {
        let books = &self.books;
        let logins: u64 = books.logins.values().sum();
        let figures = load["requests"].as_array().expect("a list");
        let count = |i: usize, key: &str| figures[i][key].as_u64().unwrap_or_else(|| panic!("{key}: {load}"));
        assert_eq!((count(0, "passed"), count(1, "passed")), (logins, books.searches));
        assert_eq!(figures[2]["failed"], serde_json::json!({ "check": books.priceless }));
        assert_eq!((count(0, "redirects"), count(2, "redirects")), (0, books.shown));
        assert_eq!((books.orders, count(2, "done")), (books.shown, books.shown));
        assert_eq!(load["sent"], logins + books.searches + books.orders);
        let journey = &load["journeys"][0];
        assert_eq!(
            (journey["name"].as_str(), journey["begun"].as_u64()),
            (Some("order something"), Some(logins))
        );
        assert_eq!(journey["finished"], books.shown - books.priceless);
        let [customer, price] = &figures[2]["checks"].as_array().expect("a list")[..] else {
            panic!("{load}")
        };
        assert_eq!((&customer["name"], &customer["failed"]), (&"for that customer".into(), &0.into()));
        assert_eq!((&price["name"], &price["failed"]), (&"has a price".into(), &books.priceless.into()));
        assert!(customer["example"].is_null(), "{customer}");
        assert_eq!(price["example"]["detail"], "1 of 2 checks failed, first `has a price`");
        let connections = &load["connections"];
        assert_eq!(connections["protocol"], "HTTP/1.1");
        assert_eq!(connections["requests"], logins + books.searches + books.orders + books.shown);
        assert!(connections["opened"].as_u64() >= connections["most_open"].as_u64(), "{connections}");
    }

    fn report(&self, load: &Value) {
        let report = fs::read_to_string(self.folder().join("report.md")).expect("a report");
        let row = |start: &str| {
            let line = report.lines().find(|l| l.starts_with(start));
            line.unwrap_or_else(|| panic!("no {start:?} in {report}"))
                .split('|')
                .map(str::trim)
                .collect::<Vec<_>>()
        };
        let check = row("| has a price |");
        assert_eq!(check[2..4], ["order", &self.books.priceless.to_string()]);
        assert!(check[5].ends_with("1 of 2 checks failed, first \\`has a price\\`"), "{check:?}");
        assert!(!report.contains("| for that customer |"), "it never failed: {report}");
        let journey = row("| order something |");
        assert_eq!(journey[2], load["journeys"][0]["begun"].to_string());
        let events = fs::read_to_string(self.folder().join("events.jsonl")).expect("events");
        let example = events.lines().find(|l| l.contains("has a price")).expect("an example is kept");
        assert!(example.contains("\"checks\":[1]"), "{example}");
        let header = report.lines().find(|l| l.ends_with("| redirects followed |"));
        assert!(header.is_some(), "{report}");
        let orders: Vec<&str> = report.lines().filter(|l| l.starts_with("| order |")).collect();
        assert!(orders.iter().any(|l| l.ends_with(&format!("| {} |", self.books.shown))), "{orders:?}");
    }

    /// Told once while the run lasts.
    fn live_view(&self) {
        let said = String::from_utf8_lossy(&self.output.stdout);
        assert_eq!(said.matches("[check order: has a price fails]").count(), 1, "{said}");
    }

    /// Neither in a file of the run, whatever its form, nor in what was printed.
    fn no_secret(&self) {
        let files = files(&self.folder());
        assert!(
            files.iter().any(|(path, bytes)| path.ends_with("scenario.toml") && holds(bytes, "${SHOP_KEY}"))
        );
        assert!(files.iter().any(|(path, bytes)| path.ends_with("report.md") && holds(bytes, "has a price")));
        for secret in SECRETS {
            for (path, bytes) in &files {
                assert!(!holds(bytes, secret), "{secret} in {}", path.display());
            }
            let printed = printed(&self.output);
            assert!(!printed.contains(secret), "{secret} in {printed}");
        }
    }
}

#[test]
fn arrivals_that_make_journeys() {
    let ran = run(false, "[load.constant-arrival-rate]\nrate = \"40/s\"\nfor = \"3s\"", "sequential");
    ran.check();
    let logins = &ran.books.logins;
    assert_eq!(logins.values().sum::<u64>(), 120);
    assert!(
        logins.len() == CUSTOMERS.len() && logins.values().all(|n| *n == 15),
        "one row after the other: {logins:?}"
    );
}

#[test]
fn users_that_make_journeys() {
    let ran = run(true, "[load.constant-vus]\nvus = 5\nfor = \"3s\"", "unique");
    ran.check();
    let logins = &ran.books.logins;
    assert_eq!(logins.len(), 5, "each user has a row of its own: {logins:?}");
    assert!(logins.values().all(|n| *n > 10), "{logins:?}");
}

/// A run over HTTP/2 against a server that takes 300 ms; what is told of its connections, and its report.
fn slowly(load: &str) -> (Slow, Value, String) {
    let server = Slow::start(Duration::from_millis(300));
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!(
        "name = \"slow\"\n[target]\nurl = \"{}\"\nhttp-version = \"2\"\nstreams = 8\n\
         [load]\nwarm-up = \"0s\"\nthreads = 1\n{load}\nfor = \"2s\"\n",
        server.url
    );
    let path = scenario(dir.path(), &text);
    let out = dir.path().join("run");
    let output = finish(loadprof().arg("run").arg(path).arg("--out").arg(&out), Duration::from_secs(40));
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let load = analysis(&out)["load"].clone();
    assert_eq!(load["total"]["failed"], serde_json::json!({}), "{load}");
    (server, load, fs::read_to_string(out.join("report.md")).expect("a report"))
}

#[test]
fn streams_and_connections_are_told() {
    for (load, under_way) in [
        // 50 a second for 0.3 s each, eight to a connection.
        ("[load.constant-arrival-rate]\nrate = \"50/s\"", 12..=18),
        // Each user has a connection of its own.
        ("[load.constant-vus]\nvus = 5", 4..=5),
    ] {
        let (server, told, report) = slowly(load);
        let connections = &told["connections"];
        let count = |key: &str| connections[key].as_u64().expect("a count");
        assert!(under_way.contains(&count("most_streams")), "{load}: {connections}");
        assert_eq!(
            (count("opened"), count("most_open")),
            (server.connections(), server.connections()),
            "{load}"
        );
        assert!(count("opened") >= 2, "{load}: {connections}");
        assert_eq!(
            (&connections["protocol"], count("requests")),
            (&"HTTP/2".into(), told["sent"].as_u64().expect("a count"))
        );
        let line = format!(
            "HTTP/2, over the whole run: {0} connections opened, at most {0} open at the same time with {1} streams",
            count("opened"),
            count("most_streams")
        );
        assert!(report.contains(&line), "{line}: {report}");
        assert!(!report.contains("redirects followed") && !report.contains("| journey |"), "{report}");
    }
}
