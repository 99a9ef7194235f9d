//! What a case runs on: the shop, the services and stores behind it, and how a fault is switched on.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::common::go::Running;
use crate::common::wire::Wire;
use crate::common::{self, Shop};
use crate::servers::{self, Disk, PASSWORD, Server};

/// A part besides the shop itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A second shop that the first one asks.
    Downstream,
    /// The same over TLS.
    SecureDownstream,
    /// A service that is asked by gRPC.
    Supplier,
    /// A log that requests write to.
    Log,
    Database,
    /// The same, so many milliseconds away.
    FarDatabase(u64),
    /// The same, on a disk of its own.
    DatabaseOnDisk,
    Cache,
    /// Instead of the shop, the service in Rust on an asynchronous runtime.
    Desk,
}

/// How a fault is switched on; `{}` stands for its dose.
#[derive(Clone, Copy)]
pub enum Switch {
    /// Setting of the shop.
    Shop(&'static str),
    /// Setting of the service behind it.
    Downstream(&'static str),
    /// Executed once at the database by somebody else.
    Sql(&'static str),
    /// Executed there again and again; `sleep MS` among the statements is a pause.
    Holder(&'static str),
    /// Setting of the service that is asked by gRPC.
    Supplier(&'static str),
    /// Microseconds, each way, on the wire to it.
    Wire,
    /// Microseconds that the database's disk takes longer for a flush.
    Disk,
    /// CPU quota of the shop's control group, percent of one core.
    Quota,
    /// A process that burns CPU on the services' core, with a niceness.
    Burner,
    /// A process that burns what nobody else wants.
    Idler,
}

impl Switch {
    /// Whether a smaller dose hurts more.
    pub fn is_a_limit(self) -> bool {
        matches!(
            self,
            Self::Quota
                | Self::Burner
                | Self::Shop("connections={}" | "flush-lines={}")
                | Self::Supplier("streams={}" | "recount={}")
        )
    }
}

/// Everything that was started; ends when dropped.
pub struct Stage {
    pub shop: Shop,
    downstream: Option<Shop>,
    supplier: Option<(Shop, Wire)>,
    _scratch: tempfile::TempDir,
    database: Option<Server>,
    _far: Option<Wire>,
    disk: Option<Disk>,
    cache: Option<Server>,
    ended: Arc<AtomicBool>,
    held: Vec<JoinHandle<()>>,
    burners: Vec<Running>,
    quota: Option<common::cgroup::Quota>,
    /// Whether the shop is the desk.
    desk: bool,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.held.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl Stage {
    /// With `apart`, the services have the second core for themselves.
    pub fn start(parts: &[Part], args: &[String], apart: bool, memory: Option<&str>) -> Self {
        let has = |part| parts.contains(&part);
        let scratch = tempfile::tempdir().expect("a folder");
        let file = |name: &str| scratch.path().join(name).display().to_string();
        let start = |flags: &[&str]| Shop::start_with(apart.then_some(1), None, flags);
        let secure = has(Part::SecureDownstream);
        let mut flags: Vec<String> = vec!["-mutex-fraction".into(), "10".into()];
        let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
        let downstream = (secure || has(Part::Downstream)).then(|| {
            let certificate = file("certificate.pem");
            let tls = ["-tls", "127.0.0.1:0", "-certificate", certificate.as_str()];
            let shop = start(if secure { &tls } else { &[] });
            if secure {
                flag("-downstream", format!("https://{}", shop.address("tls")));
                flag("-trust", certificate);
            } else {
                flag("-downstream", shop.url.clone());
            }
            shop
        });
        let supplier = has(Part::Supplier).then(|| {
            let shop = start(&["-supply", "127.0.0.1:0"]);
            let wire = Wire::to(&shop.address("supply"));
            flag("-suppliers", wire.address());
            (shop, wire)
        });
        if has(Part::Log) {
            flag("-log", file("shop.log"));
        }
        let way = parts.iter().find_map(|part| match part {
            Part::FarDatabase(millis) => Some(Duration::from_millis(*millis)),
            _ => None,
        });
        let disk = has(Part::DatabaseOnDisk).then(Disk::new);
        let database = match &disk {
            Some(disk) => Some(servers::postgres_on(disk)),
            None => (has(Part::Database) || way.is_some()).then(|| servers::postgres(false)),
        };
        let cache = has(Part::Cache).then(servers::redis);
        if let Some(server) = &database {
            servers::execute(server.port, "setup", "CREATE EXTENSION pg_stat_statements");
        }
        let far = way.map(|way| {
            let wire = Wire::to(&format!("127.0.0.1:{}", database.as_ref().expect("a database").port));
            wire.set_delay(way);
            wire
        });
        if let Some(server) = &database {
            let port = |wire: &Wire| wire.address().rsplit(':').next().and_then(|p| p.parse().ok());
            flag("-postgres", dsn(far.as_ref().and_then(port).unwrap_or(server.port)));
        }
        if let Some(server) = &cache {
            flag("-redis", redis_url(server.port));
        }
        flags.extend(args.iter().cloned());
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let core = apart.then_some(1);
        let shop = match has(Part::Desk) {
            true => Shop::of(&common::desk::program(), core, memory, &["--archive", &file("")]),
            false => Shop::start_with(core, memory, &flags),
        };
        let quota = common::cgroup::Quota::of(shop.pid());
        Self {
            shop,
            downstream,
            supplier,
            _scratch: scratch,
            database,
            _far: far,
            disk,
            cache,
            ended: Arc::default(),
            held: Vec::new(),
            burners: Vec::new(),
            quota,
            desk: has(Part::Desk),
        }
    }

    /// The evidence of all its parts, as TOML.
    pub fn evidence(&self) -> String {
        let url = &self.shop.url;
        let profiles = if self.desk { "pprof" } else { "go-pprof" };
        let mut all = format!(
            "[[evidence.{profiles}]]\nservice = \"shop\"\nurl = \"{url}/debug/pprof\"\n\
             [[evidence.prometheus]]\nservice = \"shop\"\nurl = \"{url}/metrics\"\n\
             [[evidence.process]]\nservice = \"shop\"\npid = {}\n",
            self.shop.pid()
        );
        if let Some(shop) = &self.downstream {
            all += &format!(
                "[[evidence.go-pprof]]\nservice = \"related\"\nurl = \"{}/debug/pprof\"\ncaptures = false\n",
                shop.url
            );
        }
        if let Some((shop, _)) = &self.supplier {
            all += &format!(
                "[[evidence.go-pprof]]\nservice = \"suppliers\"\nurl = \"{}/debug/pprof\"\ncaptures = false\n",
                shop.url
            );
        }
        if let Some(server) = &self.database {
            all +=
                &format!("[[evidence.postgres]]\nservice = \"orders-db\"\ndsn = \"{}\"\n", dsn(server.port));
        }
        if let Some(server) = &self.cache {
            all +=
                &format!("[[evidence.redis]]\nservice = \"baskets\"\nurl = \"{}\"\n", redis_url(server.port));
        }
        all
    }

    /// Switches a fault on.
    pub fn switch(&mut self, switch: Switch, dose: f64) {
        let filled = |text: &str| text.replace("{}", &format!("{dose:.0}"));
        match switch {
            Switch::Shop("") => {}
            Switch::Shop(set) => self.shop.set(&filled(set)),
            Switch::Downstream(set) => self.downstream.as_ref().expect("a downstream").set(&filled(set)),
            Switch::Supplier(set) => self.supplier.as_ref().expect("a supplier").0.set(&filled(set)),
            Switch::Wire => {
                let one_way = Duration::from_micros(dose.round() as u64);
                self.supplier.as_ref().expect("a supplier").1.set_delay(one_way);
            }
            Switch::Disk => {
                self.disk.as_ref().expect("a disk").set(Duration::from_micros(dose.round() as u64));
            }
            Switch::Sql(text) => servers::execute(self.port(), "nightly", &filled(text)),
            Switch::Holder(text) => self.hold(filled(text)),
            Switch::Quota => self.quota.as_ref().expect("a control group").set(dose / 100.0),
            Switch::Burner => {
                let nice = format!("{dose:.0}");
                self.burners.push(burner(&["taskset", "-c", "1", "nice", "-n", &nice]));
            }
            Switch::Idler => self.burners.push(burner(&["chrt", "--idle", "0"])),
        }
    }

    fn port(&self) -> u16 {
        self.database.as_ref().expect("a database").port
    }

    fn hold(&mut self, text: String) {
        let (port, ended) = (self.port(), Arc::clone(&self.ended));
        self.held.push(std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                servers::execute(port, "nightly", &text);
            }
        }));
    }
}

/// A process that does nothing but run.
fn burner(how: &[&str]) -> Running {
    let mut sh = Command::new(how[0]);
    sh.args(&how[1..]).args(["sh", "-c", "while :; do :; done"]).stdin(Stdio::null()).stdout(Stdio::null());
    Running(sh.spawn().expect("a shell"))
}

fn dsn(port: u16) -> String {
    format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode=disable")
}

fn redis_url(port: u16) -> String {
    format!("redis://:{PASSWORD}@127.0.0.1:{port}")
}
