//! What the parts of the hot path cost, each alone: when is the next arrival due, reading an answer, recording
//! a hit.
//!
//! `cargo bench --bench hot`. Whole requests against a real server: `benches/peers`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use loadprof::load::hot::{Answers, Arrivals, Hits};
use loadprof::load::schedule::Schedule;
use loadprof::scenario::{Arrivals as Spread, Executor, Rate, Stage};
use loadprof::time::RunTime;

const WEEK: Duration = Duration::from_secs(604_800);

fn constant() -> Executor {
    Executor::ConstantArrivalRate { rate: Rate(20_000.0), duration: WEEK }
}

fn ramp() -> Executor {
    let up = Stage { duration: WEEK, to: Rate(200_000.0), hold: false };
    Executor::RampingArrivalRate { start: Rate(1.0), stages: vec![up] }
}

fn schedule(c: &mut Criterion) {
    let mut group = c.benchmark_group("schedule");
    group.throughput(Throughput::Elements(1));
    // The random process keeps a sum for every so many arrivals: an hour, not a week.
    let hour = Executor::ConstantArrivalRate { rate: Rate(20_000.0), duration: Duration::from_secs(3_600) };
    let kinds = [
        ("even", constant(), Spread::Even),
        ("linear ramp", ramp(), Spread::Even),
        ("jittered", constant(), Spread::Jittered),
        ("jittered ramp", ramp(), Spread::Jittered),
        ("poisson", hour, Spread::Poisson),
    ];
    for (name, executor, spread) in kinds {
        let schedule = Schedule::new(&executor, spread, 1).expect("an open model");
        let mut arrivals = Arrivals::new(schedule.clone());
        group.bench_function(name, |b| {
            b.iter(|| {
                arrivals.next().unwrap_or_else(|| {
                    arrivals = Arrivals::new(schedule.clone());
                    RunTime::ZERO
                })
            });
        });
    }
}

/// An answer as nginx gives it, with 612 bytes of body.
fn sized() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 05:04:03 GMT\r\n\
                Content-Type: text/html\r\nContent-Length: 612\r\nLast-Modified: Sun, 22 Nov 2026 05:04:03 GMT\r\n\
                Connection: keep-alive\r\nETag: \"637c5c5b-264\"\r\nAccept-Ranges: bytes\r\n\r\n";
    [head.as_bytes(), &[b'x'; 612]].concat()
}

/// The same body in four chunks.
fn chunked() -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..4 {
        answer.extend_from_slice(b"99\r\n");
        answer.extend_from_slice(&[b'x'; 153]);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for (name, answer) in [("content-length", sized()), ("chunked", chunked())] {
        group.throughput(Throughput::Bytes(answer.len() as u64));
        let mut answers = Answers::default();
        assert_eq!(answers.read(&answer), 200, "{name}");
        group.bench_function(name, |b| b.iter(|| answers.read(black_box(&answer))));
    }
}

fn record(c: &mut Criterion) {
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Elements(1));
    let (mut hits, mut n) = (Hits::default(), 0_u64);
    group.bench_function("hit", |b| {
        b.iter(|| {
            n += 1;
            // From 50 us to 4 ms, as a service answers.
            hits.record(n, RunTime::from_nanos(n * 50_000), 50_000 + n.wrapping_mul(0x9e37_79b9) % 4_000_000);
        });
    });
    group.throughput(Throughput::Elements(20_000));
    group.bench_function("period of 20,000 hits handed over", |b| {
        b.iter(|| {
            (0..20_000_u64).for_each(|n| hits.record(n, RunTime::from_nanos(n * 50_000), 80_000 + n));
            hits.roll()
        });
    });
}

criterion_group!(hot, schedule, parse, record);
criterion_main!(hot);
