//! Throw-away servers of PostgreSQL and Redis on free ports of loopback, and a run folder to record them into.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loadprof::collect::{Collector, Context, Trigger};
use loadprof::run::manifest::{FORMAT_MAJOR, FORMAT_MINOR, FormatVersion, Host, Manifest, RunState};
use loadprof::run::writer::RunWriter;
use loadprof::time::RunClock;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use crate::ports::free_port;

pub const PASSWORD: &str = "pa55-never-written";

fn wait_for(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "no server on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server that ends with its owner.
pub struct Server {
    child: Child,
    pub port: u16,
    /// Port of TLS.
    pub tls: u16,
    dir: tempfile::TempDir,
}

impl Server {
    /// The certificate that it shows, which is its own authority.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }
}

/// A certificate for 127.0.0.1 and its key, as files.
fn certify(dir: &Path) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    fs::write(dir.join("certificate.pem"), made.cert.pem()).expect("written");
    fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
}

fn succeeds(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: PostgreSQL then ends its backends and its memory with it, at once.
        let _ = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Programs of the newest PostgreSQL that Debian installed, or those on the path; `LOADPROF_POSTGRES` names the
/// folder of another version's.
fn postgres_program(name: &str) -> PathBuf {
    if let Some(dir) = std::env::var_os("LOADPROF_POSTGRES") {
        return PathBuf::from(dir).join(name);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |p: &PathBuf| p.file_name().and_then(|n| n.to_str()?.parse::<u32>().ok());
    let newest = versions.map(|e| e.path()).max_by_key(version);
    newest.map_or(PathBuf::from(name), |dir| dir.join("bin").join(name))
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

/// A cluster with `pg_stat_statements` loaded; its superuser is `postgres` with [`PASSWORD`].
pub fn postgres(tls: bool) -> Server {
    cluster(tls, None)
}

/// A disk that takes longer to flush, by as many microseconds as its file says.
pub struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        succeeds(Command::new("chmod").arg("755").arg(dir.path()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/disk/disk.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-o"]).arg(dir.path().join("disk.so")).arg(source);
        succeeds(cc.args(["-ldl", "-pthread"]));
        let disk = Self { dir };
        disk.set(Duration::ZERO);
        disk
    }

    pub fn set(&self, longer: Duration) {
        fs::write(self.dir.path().join("time"), longer.as_micros().to_string()).expect("written");
    }
}

/// The same on a disk of which the time for a flush can be changed.
pub fn postgres_on(disk: &Disk) -> Server {
    cluster(false, Some(disk))
}

fn cluster(tls: bool, disk: Option<&Disk>) -> Server {
    let dir = match disk {
        // In memory, so that the healthy disk takes no time.
        Some(_) => tempfile::tempdir_in("/dev/shm").expect("a folder in memory"),
        None => tempfile::tempdir().expect("a folder"),
    };
    // Everybody may pass; what is inside belongs to the one who made it.
    succeeds(Command::new("chmod").arg("777").arg(dir.path()));
    certify(dir.path());
    let (data, password, port) = (dir.path().join("data"), dir.path().join("password"), free_port());
    fs::write(&password, PASSWORD).expect("written");
    let mut initdb = as_postgres(&postgres_program("initdb"));
    initdb.arg("-D").arg(&data).args(["-U", "postgres", "--auth=scram-sha-256", "--no-sync", "-E", "UTF8"]);
    succeeds(initdb.arg("--locale=C").arg("--pwfile").arg(&password));
    // A key that others may read is refused.
    let (certificate, key) = (dir.path().join("certificate.pem"), data.join("key.pem"));
    succeeds(as_postgres(Path::new("cp")).arg(dir.path().join("key.pem")).arg(&key));
    succeeds(as_postgres(Path::new("chmod")).arg("600").arg(&key));
    let mut server = as_postgres(&postgres_program("postgres"));
    server.arg("-D").arg(&data).arg("-k").arg(dir.path()).args(["-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "shared_preload_libraries=pg_stat_statements",
        "track_io_timing=on",
        "jit=off",
    ] {
        server.args(["-c", setting]);
    }
    match disk {
        Some(disk) => {
            server.args(["-c", "fsync=on", "-c", "wal_sync_method=fdatasync"]);
            server.env("LD_PRELOAD", disk.dir.path().join("disk.so"));
            server.env("DISK_TIME", disk.dir.path().join("time"));
        }
        None => {
            server.args(["-c", "fsync=off"]);
        }
    }
    if tls {
        server.args(["-c", "ssl=on", "-c"]).arg(format!("ssl_cert_file={}", certificate.display()));
        server.arg("-c").arg(format!("ssl_key_file={}", key.display()));
    }
    let child = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("postgres runs");
    wait_for(port);
    Server { child, port, tls: port, dir }
}

/// A connection of its superuser, who calls itself `app`; it listens before it is ready.
pub async fn connect(port: u16, app: &str) -> Client {
    let dsn = format!("host=127.0.0.1 port={port} user=postgres password={PASSWORD} application_name={app}");
    for _ in 0..200 {
        if let Ok((client, connection)) = tokio_postgres::connect(&dsn, NoTls).await {
            tokio::spawn(connection);
            return client;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no connection")
}

/// Executes statements on a connection of its own, one after the other; `sleep MS` among them is a pause.
pub fn execute(port: u16, app: &str, statements: &str) {
    let work = async {
        let client = connect(port, app).await;
        for statement in statements.split(';') {
            match statement.trim().strip_prefix("sleep ") {
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms.parse().expect("a number"))).await,
                None => client.batch_execute(statement).await.expect("executes"),
            }
        }
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work);
}

/// A Redis with a password, which notes commands and events of 5 ms.
pub fn redis() -> Server {
    let (dir, port, tls) = (tempfile::tempdir().expect("a folder"), free_port(), free_port());
    certify(dir.path());
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD])
        .args(["--slowlog-log-slower-than", "5000", "--latency-monitor-threshold", "5"])
        // Makes many keys at once.
        .args(["--enable-debug-command", "local"])
        .args(["--tls-port", &tls.to_string(), "--tls-auth-clients", "no"])
        .arg("--tls-cert-file")
        .arg(dir.path().join("certificate.pem"))
        .arg("--tls-key-file")
        .arg(dir.path().join("key.pem"))
        .arg("--tls-ca-cert-file")
        .arg(dir.path().join("certificate.pem"))
        .arg("--dir")
        .arg(dir.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server runs");
    wait_for(port);
    Server { child, port, tls, dir }
}

/// A run folder with collectors at work.
pub struct Recording {
    pub dir: tempfile::TempDir,
    pub out: RunWriter,
    stop: watch::Sender<bool>,
    _triggers: broadcast::Sender<Trigger>,
    running: Vec<JoinHandle<()>>,
}

impl Recording {
    pub fn start(collectors: Vec<Box<dyn Collector>>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = RunClock::start();
        let manifest = Manifest {
            format: FormatVersion { major: FORMAT_MAJOR, minor: FORMAT_MINOR },
            tool_version: "0".into(),
            run_id: "0".into(),
            scenario: "databases".into(),
            scenario_sha256: String::new(),
            overrides: Vec::new(),
            target: String::new(),
            max_connections: None,
            arrivals: None,
            baseline: None,
            started_unix_nanos: clock.wall_unix_nanos(),
            state: RunState::Recording,
            host: Host::default(),
            sources: Default::default(),
            parts: Default::default(),
        };
        let out = RunWriter::create(dir.path(), clock, manifest, "").expect("a run folder");
        let (stop, triggers) = (watch::Sender::new(false), broadcast::Sender::new(8));
        let context = || Context {
            out: out.clone(),
            stop: stop.subscribe(),
            triggers: triggers.subscribe(),
            in_flight: loadprof::run::in_flight::InFlight::default(),
        };
        let running = collectors.into_iter().map(|c| tokio::spawn(c.run(context()))).collect();
        Self { dir, stop, _triggers: triggers, running, out }
    }

    /// Waits until a file of the folder has some lines.
    pub async fn has(&self, rel: &str, lines: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.read(rel).split(|b| *b == b'\n').count() <= lines {
            assert!(Instant::now() < deadline, "{rel} stays short; events: {}", self.events());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Tells the collectors that the load has ended, and waits for them.
    pub async fn finish(&mut self) -> Duration {
        let began = Instant::now();
        self.stop.send_replace(true);
        for task in self.running.drain(..) {
            tokio::time::timeout(Duration::from_secs(10), task).await.expect("it ends").expect("no panic");
        }
        began.elapsed()
    }

    pub fn read(&self, rel: &str) -> Vec<u8> {
        fs::read(self.dir.path().join(rel)).unwrap_or_default()
    }

    pub fn events(&self) -> String {
        String::from_utf8_lossy(&self.read("events.jsonl")).into_owned()
    }

    /// Files of the folder that hold a text.
    pub fn holding(&self, text: &str) -> Vec<PathBuf> {
        let mut open = vec![self.dir.path().to_owned()];
        let mut found = Vec::new();
        while let Some(dir) = open.pop() {
            for path in fs::read_dir(dir).expect("a folder").map(|e| e.expect("an entry").path()) {
                if path.is_dir() {
                    open.push(path);
                } else if memchr::memmem::find(&fs::read(&path).expect("readable"), text.as_bytes()).is_some()
                {
                    found.push(path);
                }
            }
        }
        found
    }
}
