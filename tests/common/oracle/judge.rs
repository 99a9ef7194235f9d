//! What must hold of a measurement, whatever is measured.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::run::{Measured, measure};
use super::setup::Setup;
use super::truth::{Bounds, Difference, Figures, compare};

/// Measurements take turns: each needs a core for the generator and one for the server.
static TURN: Mutex<()> = Mutex::new(());
/// How often a measurement is made before its differences count.
const ATTEMPTS: u32 = 3;

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measures until a measurement does not differ. Another process or a neighbour on the host spoils one; it is
/// repeated, aloud, twice at most. If none was clean, the one that noise explains must do; what is wrong with the
/// generator is wrong each time.
pub fn holds(setup: Setup, differences: impl Fn(&Measured) -> Vec<Difference>) {
    let _turn = turn();
    let mut wrong = Vec::new();
    for attempt in 1..=ATTEMPTS {
        eprintln!("{setup:?}, attempt {attempt}");
        let measured = measure(setup);
        let mut off = differences(&measured);
        tell(&measured);
        if measured.drift > 20_000 {
            let row = format!("the machine's clocks moved apart by {} ns", measured.drift);
            off.push(Difference { row, noise: false });
        }
        if off.is_empty() {
            return;
        }
        let list = off.iter().map(|d| format!("\n    {}", d.row)).collect::<String>();
        eprintln!("  attempt {attempt} differs:{list}");
        wrong.push(off.iter().filter(|d| !d.noise).map(|d| d.row.clone()).collect::<Vec<_>>());
    }
    let least = wrong.into_iter().min_by_key(Vec::len).expect("attempts");
    assert!(least.is_empty(), "{setup:?}:\n{}", least.join("\n"));
    eprintln!("  no attempt was clean, but the machine's own noise explains the differences");
}

/// What could have spoiled a measurement.
fn tell(measured: &Measured) {
    eprintln!("  server: longest lapse {} us; generator:", measured.books.lapse / 1000);
    for check in measured.analysis["validity"]["checks"].as_array().expect("checks") {
        eprintln!("    {} = {}, {}", check["name"], check["value"], check["outcome"]);
    }
}

/// Both clocks against the server's books, with a connection for every arrival that needs one.
pub fn both_clocks(measured: &Measured) -> Vec<Difference> {
    all_counted(measured);
    let total = measured.total();
    let lateness = measured.lateness();
    let mut off = compare("service", &measured.service(), Figures(&total["service"]), &lateness);
    // An answer carries the kernel's stamp of its arrival: nothing that holds up the generator excuses this clock.
    let excuse = if measured.setup.manner.http2 {
        measured.bursts()
    } else {
        Bounds::none(measured.books.served.len())
    };
    off.extend(compare("response", &measured.response(), Figures(&total["response"]), &excuse));
    off
}

/// Every arrival is in the histograms, passed, and was answered by the server once.
pub fn all_counted(measured: &Measured) {
    let arrivals = measured.setup.arrivals();
    assert_eq!(measured.total()["done"], arrivals, "{:#}", measured.total());
    let numbers = counted_once(measured);
    assert!(numbers.into_iter().eq(0..arrivals), "each arrival reaches the server once");
}

/// All that the server answered is counted, and passed, and so are its bytes and connections; the numbers of the
/// requests.
fn counted_once(measured: &Measured) -> Vec<u64> {
    let (total, books) = (measured.total(), &measured.books);
    let answered = books.served.len();
    assert_eq!(books.read, answered as u64, "the server answers all it reads");
    assert_eq!(total["done"], answered, "{total:#}");
    assert_eq!(total["passed"], answered, "{total:#}");
    assert_eq!(total["response"]["count"], answered);
    assert_eq!(total["service"]["count"], answered);
    assert_eq!(total["bytes_in"], books.bytes_written, "bytes of answers");
    assert_eq!(total["bytes_out"], books.bytes_read, "bytes of requests");
    // One connection is the preflight's.
    assert_eq!(total["connects"], books.accepted - 1, "connections");
    let mut numbers: Vec<u64> = books.served.iter().map(|s| s.n).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "each request has a number of its own");
    numbers
}

/// Both clocks of the closed model, where a request is due when its connection or user is free: service time, and
/// response time, which differs by what opening a connection takes.
pub fn closed_clocks(measured: &Measured) -> Vec<Difference> {
    counted_once(measured);
    let (total, idle) = (measured.total(), measured.turnaround());
    let mut off = compare("service", &measured.service(), Figures(&total["service"]), &idle);
    off.extend(compare("response", &measured.turn(), Figures(&total["response"]), &idle));
    off.extend(little(measured, &idle));
    off
}

/// Little's law: so many requests are always under way, or about to be. The generator's count and mean against the
/// scenario's number of connections and time, and the time that the server saw its connections idle.
fn little(measured: &Measured, idle: &Bounds) -> Option<Difference> {
    let (total, setup) = (measured.total(), &measured.setup);
    let response = Figures(&total["response"]);
    let (done, mean) = (total["done"].as_u64().expect("a count") as f64, response.nanos("mean") as f64);
    let under_way = setup.under_way() as f64;
    let asked = under_way * setup.secs as f64 * 1e9;
    // The last request of each begins in time and ends when it ends.
    let last = under_way * response.nanos("max") as f64;
    let (idle_low, idle_high) = idle.mean();
    let (least, most) = (done * (mean + idle_low as f64), done * (mean + idle_high as f64));
    let row = format!(
        "{done} requests of {:.3} ms, and {:.3} to {:.3} ms between, make {:.2} to {:.2} at a time, not {under_way}",
        mean / 1e6,
        idle_low as f64 / 1e6,
        idle_high as f64 / 1e6,
        least / asked * under_way,
        most / asked * under_way
    );
    let holds = most >= asked * 0.99 && least <= asked * 1.01 + last;
    eprintln!("  {row}{}", if holds { ": holds" } else { "  <-- off" });
    (!holds).then_some(Difference { row, noise: false })
}
