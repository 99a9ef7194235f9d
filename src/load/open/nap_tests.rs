//! What naps of a load thread must not add to the measured time of exchanges that need the thread.

use crate::load::testing::{OK, Server, constant, run, scenario};
use crate::run::period::Phase;

/// Below the gap of 0.7 ms and more that the thread may nap through, above what the machine needs.
const SHORT: u64 = 450_000;
/// Low, since the machine may be busy with something else; a nap would be in every one of them.
const QUANTILE: f64 = 0.3;

#[test]
fn an_answer_beyond_the_receive_window_does_not_wait_for_the_next_arrival() {
    let long = vec![b'x'; 128 * 1024];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", long.len());
    let answer = [head.into_bytes(), long].concat();
    let server = Server::start(move |_| Some(answer.clone()));
    let mut scenario = scenario(constant(1000.0, 300));
    // A new connection has a small window.
    scenario.target.keep_alive = false;
    (scenario.load.threads, scenario.load.max_connections) = (1, 50);
    let ran = run(&scenario, &server.url());
    assert_eq!(ran.passed(), 300, "{:?}", ran.details());
    let receive = ran.all[0].phases[Phase::Receive as usize].value_at_quantile(QUANTILE);
    assert!(receive < SHORT, "received in {receive} ns");
}

#[test]
fn a_redirect_does_not_wait_for_the_next_arrival() {
    let server = Server::start(|asked| {
        let away = b"HTTP/1.1 302 Found\r\nlocation: /to\r\ncontent-length: 0\r\n\r\n";
        Some(if asked.head.starts_with("GET /to ") { OK } else { away.as_slice() }.to_vec())
    });
    let mut scenario = scenario(constant(1400.0, 300));
    scenario.target.transport.redirects = 1;
    (scenario.load.threads, scenario.load.max_connections) = (1, 50);
    let ran = run(&scenario, &server.url());
    assert_eq!((ran.passed(), ran.all[0].redirects), (420, 420), "{:?}", ran.details());
    let service = ran.all[0].service.value_at_quantile(QUANTILE);
    assert!(service < SHORT, "served in {service} ns");
}

#[test]
fn a_new_connection_does_not_wait_for_the_next_arrival() {
    let server = Server::start(|_| Some(OK.to_vec()));
    let mut scenario = scenario(constant(1000.0, 300));
    scenario.target.keep_alive = false;
    (scenario.load.threads, scenario.load.max_connections) = (1, 50);
    let ran = run(&scenario, &server.url());
    assert_eq!((ran.passed(), ran.all[0].connects), (300, 300), "{:?}", ran.details());
    let connect = ran.all[0].phases[Phase::Connect as usize].value_at_quantile(QUANTILE);
    assert!(connect < SHORT, "connected in {connect} ns");
}
