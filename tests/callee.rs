//! Runs against the Go service `tests/targets/otelgo`, twice: a service that is looked into calls one of which only spans
//! are known. OpenTelemetry's SDK sends those of both, the profiles are of the first alone. What the other one does longer,
//! or that the way to it is longer, must be told.

#![allow(clippy::print_stderr, reason = "the figures belong in the log")]

mod common;

use std::time::{Duration, Instant};

use common::wire::Wire;
use common::{Shop, analysis, finish, go, loadprof, printed, scenario};
use serde_json::Value;

const RUN: Duration = Duration::from_secs(26);
const SWITCH: Duration = Duration::from_secs(12);

/// Two processes, and the wire between them.
struct Stage {
    shop: Shop,
    stock: Shop,
    wire: Wire,
    /// Where the receiver will listen.
    otlp: u16,
}

impl Stage {
    fn start() -> Self {
        let otlp = go::free_port();
        let endpoint = format!("127.0.0.1:{otlp}");
        let start = |more: &[&str]| {
            let args = [&["-protocol", "grpc", "-endpoint", &endpoint][..], more].concat();
            Shop::of(&go::program("otelgo"), None, None, &args)
        };
        let stock = start(&[]);
        let wire = Wire::to(&stock.address("stock"));
        let shop = start(&["-stock", &wire.address()]);
        Self { shop, stock, wire, otlp }
    }

    fn scenario(&self) -> String {
        format!(
            "[target]\nurl = \"{url}\"\n[load]\nsampled = 1.0\nwarm-up = \"2s\"\n[load.constant-arrival-rate]\n\
             rate = \"80/s\"\nfor = \"{}s\"\n[[request]]\nname = \"work\"\nget = \"/work\"\n\
             [[evidence.otlp]]\ngrpc = \"127.0.0.1:{}\"\n\
             [[evidence.go-pprof]]\nservice = \"shop\"\nurl = \"{url}/debug/pprof\"\n",
            RUN.as_secs(),
            self.otlp,
            url = self.shop.url
        )
    }

    /// The first cause of a run in the middle of which something is switched on.
    fn cause(&self, switch: impl FnOnce(&Self)) -> Value {
        let dir = tempfile::tempdir().expect("a folder");
        let out = dir.path().join("run");
        let mut command = loadprof();
        command.arg("run").arg(scenario(dir.path(), &self.scenario())).arg("--out").arg(&out).arg("--quiet");
        let began = Instant::now();
        let load = std::thread::spawn(move || finish(&mut command, RUN + Duration::from_secs(60)));
        std::thread::sleep(SWITCH.saturating_sub(began.elapsed()));
        switch(self);
        let output = load.join().expect("it ran");
        let a = analysis(&out);
        eprintln!("{}: {}", a["verdict"], a["causes"][0]);
        assert!(a["causes"][0].is_object(), "nobody is blamed: {}", printed(&output));
        a["causes"][0].clone()
    }
}

fn said(cause: &Value, key: &str) -> String {
    cause[key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_a_called_service_does_longer_is_told_by_its_spans() {
    let cause = Stage::start().cause(|stage| stage.stock.set("counting=40ms"));
    assert_eq!(
        (said(&cause, "kind").as_str(), said(&cause, "doing").as_str()),
        ("downstream", "count rows of stock")
    );
    let ms = cause["explains"]["value"].as_f64().unwrap_or(0.0) / 1e6;
    assert!((25.0..36.0).contains(&ms), "30 ms longer: {ms}");
}

#[test]
fn a_longer_way_to_it_is_told_from_that() {
    let cause = Stage::start().cause(|stage| stage.wire.set_delay(Duration::from_millis(12)));
    assert_eq!(
        (said(&cause, "kind").as_str(), said(&cause, "doing").as_str()),
        ("network", "the way to stock")
    );
    let ms = cause["explains"]["value"].as_f64().unwrap_or(0.0) / 1e6;
    assert!((20.0..30.0).contains(&ms), "24 ms there and back: {ms}");
}
