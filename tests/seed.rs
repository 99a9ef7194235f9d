//! A whole run and its repetition: what is drawn at random is the same again with the same seed, records of a file that
//! are to be used once are used once, and `Host` and credentials are those that the scenario names.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::contents::{files, holds};
use common::{analysis, finish, loadprof, printed, scenario};

const ARRIVALS: usize = 200;
const PASSWORD: &str = "k3pt-in-no-file";
/// `load:k3pt-in-no-file` in base64.
const CREDENTIALS: &str = "Basic bG9hZDprM3B0LWluLW5vLWZpbGU=";

/// Answers everything, and remembers the heads of the run's own requests.
struct Server {
    url: String,
    heads: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let heads: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let all = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                thread::spawn(move || serve(stream, &all));
            }
        });
        Self { url, heads }
    }

    fn heads(&self) -> Vec<Vec<String>> {
        let mut heads = self.heads.lock().expect("no panic");
        // What is asked before the run carries no trace.
        let traced = |head: &Vec<String>| value(head, "traceparent").is_some();
        std::mem::take(&mut *heads).into_iter().filter(traced).collect()
    }
}

fn serve(mut stream: TcpStream, all: &Mutex<Vec<Vec<String>>>) {
    let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
    loop {
        let head: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
        if head.is_empty() {
            return;
        }
        all.lock().expect("no panic").push(head);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

fn value<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// Paths of a run, in their own order: which connection was quicker is no matter of the seed.
fn run(server: &Server, dir: &Path, seed: u64) -> Vec<String> {
    let text = format!(
        "name = \"again\"\n[target]\nurl = \"{}\"\n[load]\nwarm-up = \"0s\"\nseed = {seed}\n\
         [load.constant-arrival-rate]\nrate = \"200/s\"\nfor = \"1s\"\n\
         [[feeder]]\nname = \"who\"\nfile = \"who.csv\"\norder = \"random\"\n\
         [[feeder]]\nname = \"coupon\"\nfile = \"coupons.jsonl\"\norder = \"unique\"\n\
         [[journey]]\nname = \"buy\"\n[[journey.step]]\nname = \"pay\"\n\
         get = \"/pay/${{who.id}}?coupon=${{coupon.code}}&n=${{random}}\"\n\
         headers = {{ host = \"shop.example\" }}\n\
         auth = {{ basic = {{ user = \"load\", password = \"${{PAY_PASSWORD}}\" }} }}\n",
        server.url
    );
    let (path, out) = (scenario(dir, &text), dir.join(format!("run-{seed}")));
    let _ = fs::remove_dir_all(&out);
    let mut command = loadprof();
    command.env("PAY_PASSWORD", PASSWORD).arg("run").arg(path).arg("--out").arg(&out).arg("--quiet");
    let output = finish(&mut command, Duration::from_secs(30));
    assert!(out.join("report.md").is_file(), "{}", printed(&output));
    let told = analysis(&out);
    assert_eq!(told["load"]["requests"][0]["passed"], ARRIVALS, "{}", printed(&output));
    let heads = server.heads();
    assert_eq!(heads.len(), ARRIVALS);
    for head in &heads {
        assert_eq!(
            (value(head, "host"), value(head, "authorization")),
            (Some("shop.example"), Some(CREDENTIALS))
        );
    }
    let secrets = [PASSWORD, CREDENTIALS.trim_start_matches("Basic ")];
    for (path, bytes) in files(&out) {
        assert!(secrets.iter().all(|s| !holds(&bytes, s)), "a secret is in {}", path.display());
    }
    let path = |head: &Vec<String>| head[0].split(' ').nth(1).expect("a path").to_owned();
    let mut paths: Vec<String> = heads.iter().map(path).collect();
    paths.sort();
    paths
}

fn part<'a>(path: &'a str, after: &str, before: char) -> &'a str {
    let rest = path.split_once(after).expect("there").1;
    rest.split(before).next().expect("something")
}

#[test]
fn a_seed_repeats_a_run_and_unique_records_are_used_once() {
    let (server, dir) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let who: String = (0..20).map(|i| format!("w{i}\n")).collect();
    fs::write(dir.path().join("who.csv"), format!("id\n{who}")).expect("written");
    let coupons: String = (0..300).map(|i| format!("{{\"code\": \"c{i}\"}}\n")).collect();
    fs::write(dir.path().join("coupons.jsonl"), coupons).expect("written");

    let first = run(&server, dir.path(), 7);
    let of =
        |after: &str, before| -> BTreeSet<&str> { first.iter().map(|p| part(p, after, before)).collect() };
    assert_eq!(of("coupon=", '&').len(), ARRIVALS, "each coupon once");
    let whom = of("/pay/", '?');
    assert!((15..=20).contains(&whom.len()), "200 draws of 20: {whom:?}");
    assert!(of("n=", '&').len() > ARRIVALS - 3, "random numbers");

    assert_eq!(run(&server, dir.path(), 7), first, "the same seed");
    assert_ne!(run(&server, dir.path(), 8), first, "another seed");
}
