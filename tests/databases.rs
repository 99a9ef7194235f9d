//! PostgreSQL and Redis as they are: counts equal to what was sent, the slow statement and its missing index, who
//! blocks whom, slow commands and waiting clients; no password and no value in the run folder.

#![expect(clippy::print_stderr, reason = "the figures belong in the log")]

#[path = "common/ports.rs"]
mod ports;
#[path = "common/databases.rs"]
mod servers;

use std::time::Duration;

use loadprof::collect::preflight::{SourceCheck, check};
use loadprof::collect::{postgres, redis};
use loadprof::formats::postgres::plan::{Finding, findings, from_json};
use loadprof::formats::postgres::{activity, statements};
use loadprof::formats::redis::deltas;
use loadprof::run::databases;
use loadprof::run::event::EventKind;
use loadprof::scenario::{Address, EvidenceKind, EvidenceSource, Location};
use loadprof::time::{RunTime, Window};
use servers::{PASSWORD, Recording, connect};
use tokio_postgres::Client;

const SECRET: &str = "hunter2-the-secret";
const MS: fn(u64) -> Duration = Duration::from_millis;

fn whole() -> Window {
    Window::new(RunTime::ZERO, RunTime::from_nanos(u64::MAX))
}

const FAST: &str = "SELECT note FROM orders WHERE id = $1";
const SLOW: &str = "SELECT count(*) FROM orders o WHERE o.customer = $1 AND note <> $2";

async fn fast(client: &Client, times: i32) {
    let statement = client.prepare(FAST).await.expect("prepares");
    for id in 1..=times {
        client.query_one(&statement, &[&id]).await.expect("a row");
    }
}

async fn slow(client: &Client, times: i32) {
    let statement = client.prepare(SLOW).await.expect("prepares");
    for customer in 0..times {
        client.query_one(&statement, &[&customer, &"x"]).await.expect("a row");
    }
}

/// One transaction changes a row and does nothing for a while; two others want to change the same row.
async fn wait_for_a_lock(port: u16) {
    let holder = connect(port, "holder").await;
    holder.batch_execute("BEGIN; UPDATE orders SET note = 'held' WHERE id = 1").await.expect("locks");
    let waiting = (0..2).map(|_| async {
        let waiter = connect(port, "waiter").await;
        waiter.execute("UPDATE orders SET note = $1 WHERE id = 1", &[&"waited"]).await.expect("changes");
    });
    let release = async {
        tokio::time::sleep(MS(1200)).await;
        holder.batch_execute("COMMIT").await.expect("commits");
    };
    tokio::join!(futures_util::future::join_all(waiting), release);
}

async fn prepare(port: u16) -> Client {
    let client = connect(port, "shop").await;
    client
        .batch_execute(
            "CREATE EXTENSION pg_stat_statements; \
             CREATE TABLE orders (id serial PRIMARY KEY, customer int, note text); \
             INSERT INTO orders (customer, note) SELECT i % 20000, 'note ' || i FROM generate_series(1, 200000) i; \
             ANALYZE orders; CREATE ROLE watcher LOGIN PASSWORD 'pa55-never-written'; \
             GRANT pg_read_all_stats TO watcher; GRANT SELECT ON orders TO watcher; \
             GRANT UPDATE ON orders TO watcher",
        )
        .await
        .expect("a table");
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_tells_what_was_slow_and_who_waited() {
    let server = servers::postgres(false);
    let client = prepare(server.port).await;
    // What came before the run is not of the run.
    fast(&client, 100).await;
    slow(&client, 2).await;
    let dsn = format!("postgres://watcher:{PASSWORD}@127.0.0.1:{}/postgres?sslmode=disable", server.port);
    let settings = postgres::Settings { snapshots_per_second: 20.0, plans: true, period: MS(500), seed: 1 };
    let collectors = postgres::collectors("orders-db", &dsn, None, settings).expect("collectors");
    let began = std::time::Instant::now();
    let mut run = Recording::start(collectors);
    run.has("db/orders-db/statements.jsonl", 1).await;
    run.has("db/orders-db/activity.jsonl", 1).await;

    fast(&client, 500).await;
    let other = connect(server.port, "shop").await;
    tokio::join!(slow(&client, 60), slow(&other, 60), wait_for_a_lock(server.port));
    client.simple_query(&format!("SELECT '{SECRET}', pg_sleep(0.4)")).await.expect("sleeps");
    let took = run.finish().await;

    counts(&run);
    plan(&run);
    waits(&run);
    let database = databases::postgres(run.dir.path(), "orders-db").database;
    assert!(database.len() >= 4, "{}", run.events());
    let last = database.last().expect("lines");
    assert!(last.backends >= 3 && last.max_connections == 100 && last.counter("deadlocks") == Some(0.0));
    assert!(last.tables[0]["seq_scan"].as_u64().is_some_and(|n| n >= 120), "{:?}", last.tables);
    eprintln!("finishing took {took:?}");
    // Called `total_time` up to PostgreSQL 12.
    let cost = "SELECT sum(coalesce(to_jsonb(s)->>'total_exec_time', to_jsonb(s)->>'total_time')::float8), \
        sum(calls)::int8 FROM pg_stat_statements s \
        WHERE query LIKE '%loadprof\\_%'";
    let row = client.query_one(cost, &[]).await.expect("a row");
    let (ms, asked): (f64, i64) = (row.get(0), row.get(1));
    let share = ms / began.elapsed().as_secs_f64() / 10.0;
    eprintln!("{asked} questions took the server {ms:.1} ms, {share:.2} % of one core");
    assert!(share < 20.0, "twenty samples a second may not cost a fifth of a core");
    for text in [PASSWORD, SECRET, "collector-fault"] {
        assert_eq!(run.holding(text), Vec::<std::path::PathBuf>::new(), "{text}: {}", run.events());
    }
}

fn counts(run: &Recording) {
    assert_eq!(databases::postgres_services(run.dir.path()), ["orders-db"]);
    let read = databases::postgres(run.dir.path(), "orders-db");
    assert_eq!(read.skipped, 0);
    let uses = statements::between(&read.statements, whole());
    assert!(uses.complete && uses.resets == 0 && uses.evicted == 0, "{uses:?}");
    let calls = |text: &str| {
        let found = uses.statements.iter().filter(|s| s.query == text);
        found.fold((0, 0), |(calls, rows), s| (calls + s.calls, rows + s.rows))
    };
    assert_eq!(calls(FAST), (500, 500));
    assert_eq!(calls(SLOW), (120, 120));
    // The holder's and the waiters': constants and parameters are the same here.
    assert_eq!(calls("UPDATE orders SET note = $1 WHERE id = $2").0, 3);
    // The sleep and the waits for the lock are longer; of all that works, the scan takes the most.
    let busy: Vec<_> = uses.statements.iter().filter(|s| s.query.contains("orders")).collect();
    let scan = busy.iter().find(|s| s.query == SLOW).expect("there");
    assert!(busy.iter().all(|s| s.query.starts_with("UPDATE") || s.total_ms <= scan.total_ms), "{busy:#?}");
    assert!(scan.hit + scan.read > 120 * 1000, "{scan:?}");
    eprintln!("scan: {} calls, mean {:.2} ms; {} statements", scan.calls, scan.mean_ms(), busy.len());
    assert!(uses.statements.iter().all(|s| !s.query.contains("loadprof")), "{uses:#?}");
}

fn plan(run: &Recording) {
    let plans = databases::postgres(run.dir.path(), "orders-db").plans;
    let plan = plans.iter().find(|p| p.query == SLOW).expect("a plan of the scan");
    assert_eq!(plan.problem, None);
    let found = findings(&from_json(&plan.plan).expect("a plan"), &plan.tables);
    let [Finding::MissingIndex { table, columns, read, kept, .. }] = found.as_slice() else {
        panic!("{found:?} in {plan:?}")
    };
    assert_eq!((table.as_str(), columns[0].as_str()), ("orders", "customer"));
    assert!(*read > 190_000.0 && *kept < 1000.0, "{found:?}");
    eprintln!("plan: {}; {}", found[0].says(), found[0].remedy());
    let fast = plans.iter().find(|p| p.query == FAST).expect("a plan of the look-up");
    assert!(findings(&from_json(&fast.plan).expect("a plan"), &fast.tables).is_empty(), "{fast:?}");
}

fn waits(run: &Recording) {
    let samples = databases::postgres(run.dir.path(), "orders-db").activity;
    let pairs = activity::blocking(&samples, whole());
    let pair = pairs.first().expect("somebody waited");
    assert!(pair.waiter.starts_with("UPDATE orders SET note = $1"), "{pairs:?}");
    assert_eq!(pair.blocker, "BEGIN; UPDATE orders SET note = ? WHERE id = ?", "{pairs:?}");
    assert_eq!((pair.state.as_str(), pair.app.as_str()), ("idle in transaction", "holder"));
    // Blockers are asked for five times a second while there are any.
    assert!(pair.seen >= 4 && pair.oldest_nanos > 500_000_000, "{pairs:?}");
    let shares = activity::shares(&samples, whole());
    let update = shares.statements.iter().find(|s| s.query.starts_with("UPDATE")).expect("seen");
    let locked: u64 = update.waits.iter().filter(|(w, _)| w.starts_with("Lock/")).map(|(_, n)| n).sum();
    assert!(locked >= 10 && locked + 3 >= update.seen, "{update:?}");
    assert!(shares.statements.iter().any(|s| s.query == "SELECT ?, pg_sleep(?)"), "{shares:?}");
    let took: u64 = samples.iter().map(|s| s.took_nanos).sum::<u64>() / samples.len() as u64;
    eprintln!("{} samples, {} us each; {pair:?}", samples.len(), took / 1000);
}

fn redis_url(port: u16) -> String {
    format!("redis://:{PASSWORD}@127.0.0.1:{port}")
}

async fn words(link: &mut redis::Link, text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    link.ask(&words).await.unwrap_or_else(|e| panic!("{text}: {e}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_tells_what_was_slow_and_who_waited() {
    let server = servers::redis();
    let source = redis::Source::new("shop", &redis_url(server.port), None).expect("an address");
    let mut link = source.open().await.expect("a connection");
    words(&mut link, "DEBUG POPULATE 300000").await;
    for _ in 0..50 {
        words(&mut link, "GET key:1").await;
    }
    words(&mut link, "KEYS none*").await;
    let settings = redis::Settings { period: MS(250), snapshots: false };
    let collectors = redis::collectors("cache", &redis_url(server.port), None, settings).expect("collectors");
    let mut run = Recording::start(collectors);
    run.has("redis/cache/histograms.jsonl", 2).await;
    let blocked = (0..2).map(|_| async {
        let mut own = source.open().await.expect("a connection");
        words(&mut own, "BLPOP nothing 1").await;
    });
    let work = async {
        for i in 0..300 {
            words(&mut link, &format!("GET key:{i}")).await;
        }
        for i in 0..200 {
            words(&mut link, &format!("SET user:{i}:cart {SECRET}")).await;
        }
        words(&mut link, "KEYS none*").await;
        words(&mut link, "CONFIG SET slowlog-log-slower-than 0").await;
        words(&mut link, &format!("SET user:77:cart {SECRET}")).await;
        words(&mut link, "CONFIG SET slowlog-log-slower-than 5000").await;
    };
    tokio::join!(work, futures_util::future::join_all(blocked));
    run.finish().await;

    let read = databases::redis(run.dir.path(), "cache");
    let uses = deltas::between(&read.info, whole());
    let calls = |name: &str| uses.commands.iter().find(|c| c.command == name).map_or(0, |c| c.calls);
    let counted =
        [calls("get"), calls("set"), calls("keys"), calls("blpop"), uses.resets, read.skipped as u64];
    assert_eq!(counted, [300, 201, 1, 2, 0, 0], "{uses:#?}");
    assert_eq!((uses.most_blocked, uses.commands[0].command.as_str()), (2, "keys"));
    let slow = &read.slow;
    let keys: Vec<_> = slow.iter().filter(|s| s.command == "keys" && s.usec >= 5000).collect();
    assert_eq!(keys.len(), 1, "the one before the run is not of the run: {slow:?}");
    let set = slow.iter().find(|s| s.command == "set").expect("noted");
    assert_eq!((set.key.as_deref(), set.arguments), (Some("user:*:cart"), 2));
    assert!(read.latency.iter().any(|l| l.event == "command" && l.max_ms >= 5), "{:?}", read.latency);
    let buckets = &read.histograms;
    let (first, last) = (buckets.first().expect("lines"), buckets.last().expect("lines"));
    let p99 = deltas::quantile_usec(first, last, "get", 0.99).expect("executed");
    assert!(p99 < 5000 && deltas::quantile_usec(first, last, "keys", 0.5).is_some_and(|q| q >= 5000));
    eprintln!("keys took {} us, p99 of get is at most {p99} us; {:?}", keys[0].usec, uses.commands);
    for text in [PASSWORD, SECRET, "collector-fault"] {
        assert_eq!(run.holding(text), Vec::<std::path::PathBuf>::new(), "{text}: {}", run.events());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_are_found_again_by_trace_and_minute() {
    let server = servers::redis();
    let source = redis::Source::new("shop", &redis_url(server.port), None).expect("an address");
    let mut link = source.open().await.expect("a connection");
    let settings = redis::Settings { period: MS(250), snapshots: true };
    let collectors = redis::collectors("shop", &redis_url(server.port), None, settings).expect("collectors");
    let mut run = Recording::start(collectors);
    let now = jiff::Timestamp::now().as_second() as u64;
    let (known, unknown) = ("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319d");
    redis::store(&mut link, known, now, b"a profile", Duration::from_secs(60)).await.expect("stored");
    assert_eq!(redis::key(known, 1_715_234_459), format!("pprof:{known}:1715234400"));
    assert_eq!(redis::fetch(&mut link, unknown, now).await, Ok(None));
    let ttl = link.ask(&["TTL", &redis::key(known, now)]).await.expect("an answer");
    assert!(format!("{ttl:?}").contains("59") || format!("{ttl:?}").contains("60"), "{ttl:?}");
    for trace_id in [known, unknown] {
        run.out.event(EventKind::Slow {
            request: "list".into(),
            trace_id: trace_id.into(),
            response_nanos: 900_000_000,
            service_nanos: 900_000_000,
            status: 200,
        });
    }
    run.finish().await;
    let holding = run.holding("a profile");
    assert_eq!(holding.len(), 1, "{}", run.events());
    let name = holding[0].display().to_string();
    assert!(name.contains("profiles/shop/trace/") && name.ends_with(&format!(".{known}.pb.gz")), "{name}");
}

/// What `loadprof check` says of a database.
async fn checked(kind: EvidenceKind, address: String) -> SourceCheck {
    let location = Location::Database(Address::new(address));
    let source = EvidenceSource { service: "db".into(), kind, location, headers: Vec::new(), ca: None };
    let base = "http://127.0.0.1:1/".parse().expect("a URL");
    let check = check(&source, &base).await;
    assert!(!format!("{check:?} {source:?}").contains(PASSWORD), "{check:?}");
    check
}

async fn checked_postgres(port: u16, user: &str, password: &str, database: &str) -> SourceCheck {
    let kind = EvidenceKind::Postgres { snapshots_per_second: 10.0, plans: true };
    checked(kind, format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflight_names_what_is_off_and_the_line_that_turns_it_on() {
    let server = servers::postgres(false);
    let client = prepare(server.port).await;
    client.batch_execute("CREATE DATABASE bare").await.expect("a database");
    let other = format!("CREATE ROLE nobody LOGIN PASSWORD '{PASSWORD}'");
    client.batch_execute(&other).await.expect("a role");
    let off = |check: &SourceCheck| -> Vec<String> {
        check.facts.off.iter().map(|off| format!("{}: {}", off.what, off.remedy)).collect()
    };

    let good = checked_postgres(server.port, "watcher", PASSWORD, "postgres").await;
    assert!(
        good.facts.reachable && good.facts.gives == ["statements", "activity", "database", "plans"],
        "{good:?}"
    );
    assert!(good.url.ends_with(&format!("127.0.0.1:{}/postgres", server.port)), "{good:?}");
    assert_eq!(good.facts.off.len(), 1, "only auto_explain: {good:?}");
    let poor = checked_postgres(server.port, "nobody", PASSWORD, "postgres").await;
    let grant = "GRANT pg_read_all_stats TO \"nobody\"";
    assert!(off(&poor).iter().any(|o| o.contains(grant)), "{poor:?}");
    let bare = checked_postgres(server.port, "watcher", PASSWORD, "bare").await;
    assert!(off(&bare).iter().any(|o| o.starts_with("statements: CREATE EXTENSION")), "{bare:?}");
    assert_eq!(bare.facts.gives, ["activity", "database"]);
    let wrong = checked_postgres(server.port, "watcher", "wr0ng-pa55", "postgres").await;
    let problem = wrong.facts.problem.expect("refused");
    assert!(problem.contains("28P01") && problem.contains("pg_hba.conf"), "{problem}");
    assert!(!problem.contains("wr0ng"), "{problem}");

    let cache = servers::redis();
    let kind = EvidenceKind::Redis { snapshots: false };
    let good = checked(kind.clone(), redis_url(cache.port)).await;
    assert!(good.facts.reachable && off(&good).is_empty(), "{good:?}");
    assert_eq!(good.facts.gives, ["info", "commandstats", "histograms", "slowlog"]);
    let mut link =
        redis::Source::new("x", &redis_url(cache.port), None).expect("x").open().await.expect("opens");
    words(&mut link, "CONFIG SET slowlog-log-slower-than -1").await;
    words(&mut link, "CONFIG SET latency-monitor-threshold 0").await;
    let poor = off(&checked(kind.clone(), redis_url(cache.port)).await);
    assert!(poor.iter().any(|o| o.contains("CONFIG SET slowlog-log-slower-than 10000")), "{poor:?}");
    assert!(poor.iter().any(|o| o.contains("CONFIG SET latency-monitor-threshold 100")), "{poor:?}");
    let wrong = checked(kind.clone(), format!("redis://:wr0ng-pa55@127.0.0.1:{}", cache.port)).await;
    let problem = wrong.facts.problem.expect("refused");
    assert!(problem.contains("user and password") && !problem.contains("wr0ng"), "{problem}");
    drop(cache);
    let gone = checked(kind, "redis://127.0.0.1:1".into()).await.facts.problem.expect("nobody there");
    assert!(gone.contains("could not connect"), "{gone}");
    let gone = checked_postgres(1, "a", PASSWORD, "b").await.facts.problem.expect("nobody there");
    assert!(gone.contains("could not connect"), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_checks_who_answers() {
    let (database, cache) = (servers::postgres(true), servers::redis());
    connect(database.port, "ready").await;
    let dsn =
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres?sslmode=verify-full", database.tls);
    let url = format!("rediss://:{PASSWORD}@127.0.0.1:{}", cache.tls);
    let known = postgres::Source::new("db", &dsn, Some(&database.ca())).expect("an address");
    let link = known.open().await.expect("a connection");
    let limits = postgres::Limits { rows: 1, bytes: 1 << 16, time: MS(2000) };
    let sql = "SELECT row_to_json(s) FROM (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) s";
    let rows: Vec<serde_json::Value> = link.rows(sql, limits).await.expect("a row");
    assert_eq!(rows[0]["ssl"], true);
    let known = redis::Source::new("cache", &url, Some(&cache.ca())).expect("an address");
    words(&mut known.open().await.expect("a connection"), "PING").await;

    let stranger = postgres::Source::new("db", &dsn, Some(&cache.ca())).expect("an address").open().await;
    let refused = stranger.expect_err("another authority").to_string();
    assert!(refused.contains("could not connect") && refused.contains("certificate"), "{refused}");
    let stranger = redis::Source::new("cache", &url, Some(&database.ca())).expect("an address").open().await;
    let refused = stranger.expect_err("another authority").to_string();
    assert!(refused.contains("could not connect"), "{refused}");
    eprintln!("{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_go_away_cost_their_evidence_and_nothing_else() {
    let (database, cache) = (servers::postgres(false), servers::redis());
    connect(database.port, "ready").await;
    let dsn = format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres?sslmode=disable", database.port);
    let settings = postgres::Settings { snapshots_per_second: 20.0, plans: true, period: MS(200), seed: 1 };
    let mut collectors = postgres::collectors("orders-db", &dsn, None, settings).expect("collectors");
    let settings = redis::Settings { period: MS(200), snapshots: true };
    let url = redis_url(cache.port);
    collectors.extend(redis::collectors("cache", &url, None, settings).expect("collectors"));
    let mut run = Recording::start(collectors);
    run.has("db/orders-db/activity.jsonl", 2).await;
    run.has("db/orders-db/database.jsonl", 2).await;
    run.has("redis/cache/info.jsonl", 2).await;
    drop((database, cache));
    tokio::time::sleep(MS(500)).await;
    let took = run.finish().await;
    eprintln!("without servers, finishing took {took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    let events = run.events();
    for collector in ["postgres/activity", "postgres/statements", "redis", "redis/profiles"] {
        assert!(events.contains(&format!("\"collector\":\"{collector}\"")), "{collector}: {events}");
    }
    assert!(events.lines().count() < 20 && !events.contains(PASSWORD), "{events}");
    assert!(databases::redis(run.dir.path(), "cache").info.len() >= 2);
}
