//! Reads a goroutine's stack: whose work it is, what it does or waits for, and where in the application.
//!
//! The state comes from the innermost frames, as the Go runtime parks goroutines in few known places; the
//! client libraries between them and the application say what the wait is for.

use super::names;
use crate::analysis::State;

/// Whose work a goroutine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// A request in flight.
    Request,
    /// A connection without a request.
    Idle,
    /// Work outside requests.
    Background,
    /// Our own observation of the service.
    Observer,
}

/// What a stack says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading<'a> {
    /// Whose work it is.
    pub role: Role,
    /// What it does; [`State::Cpu`] stands for running or runnable, which a snapshot cannot tell apart.
    pub state: State,
    /// Innermost function of the application; the outermost frame if there is none.
    pub owner: &'a str,
}

/// Reads a stack of function names, leaf first.
pub(super) fn read<'a>(stack: &[&'a str]) -> Reading<'a> {
    let state = state(stack);
    Reading { role: role(stack, state), state, owner: owner(stack) }
}

/// Reads the stack at which a goroutine blocked, leaf first, of an execution trace: it ends below the runtime's own
/// frames, and the trace says for what.
pub(super) fn waiting<'a>(stack: &[&'a str], reason: &str) -> Reading<'a> {
    let wait = match reason {
        "network" => State::Network,
        "select" => State::Select,
        "chan send" => State::ChannelSend,
        "chan receive" => State::ChannelReceive,
        "sleep" => State::Sleep,
        "sync" if stack.iter().take(4).any(|f| f.contains("Mutex).")) => State::Lock,
        "sync" | "sync.(*Cond).Wait" => State::Sync,
        reason if reason.starts_with("GC ") || reason == "wait until GC ends" => State::GarbageCollection,
        _ => State::OtherWait,
    };
    let state = match wait {
        State::Sleep | State::GarbageCollection => wait,
        _ => library_wait(stack, wait).unwrap_or(wait),
    };
    Reading { role: role(stack, state), state, owner: owner(stack) }
}

fn role(stack: &[&str], state: State) -> Role {
    const OBSERVERS: [&str; 4] =
        ["net/http/pprof.", "runtime/pprof.", "github.com/prometheus/client_golang/", "runtime/trace."];
    if stack.iter().any(|f| OBSERVERS.iter().any(|o| f.starts_with(o))) && !handles_application(stack) {
        return Role::Observer;
    }
    if stack.iter().any(|f| is_handler_root(f)) {
        return Role::Request;
    }
    if !stack.iter().any(|f| is_server_root(f)) {
        return Role::Background;
    }
    // Between two requests a connection waits to read; everything else there (parsing the head, flushing
    // the answer) belongs to a request.
    match state {
        State::Network | State::Sync | State::Select | State::OtherWait => Role::Idle,
        _ => Role::Request,
    }
}

/// client_golang also wraps application handlers to count them: such a stack is the application's.
fn handles_application(stack: &[&str]) -> bool {
    let inner = stack.iter().position(|f| is_handler_root(f)).unwrap_or(0);
    stack[..inner].iter().any(|f| names::is_application(f))
        && !stack[..inner]
            .iter()
            .any(|f| f.starts_with("net/http/pprof.") || f.contains("promhttp.HandlerFor"))
}

fn is_handler_root(function: &str) -> bool {
    function == "net/http.serverHandler.ServeHTTP"
        || function == "net/http.(*http2serverConn).runHandler"
        || function.starts_with("google.golang.org/grpc.(*Server).handleStream")
        || function.starts_with("github.com/valyala/fasthttp.(*Server).serveConn")
}

fn is_server_root(function: &str) -> bool {
    function == "net/http.(*conn).serve"
}

fn owner<'a>(stack: &[&'a str]) -> &'a str {
    stack
        .iter()
        .find(|f| names::is_application(f))
        .or_else(|| inside_server(stack))
        .or(stack.last())
        .map_or("", |f| names::enclosing(f))
}

/// Without an application frame: the frame that the server called, or the server itself.
fn inside_server<'s, 'a>(stack: &'s [&'a str]) -> Option<&'s &'a str> {
    let root = stack.iter().position(|f| is_server_root(f) || is_handler_root(f))?;
    stack.get(root)
}

fn state(stack: &[&str]) -> State {
    let Some(parked) = stack.iter().position(|f| *f == "runtime.gopark" || *f == "runtime.goparkunlock")
    else {
        return on_thread(stack);
    };
    let inner = stack.get(parked + 1..).unwrap_or_default();
    let wait = inner.iter().take(6).find_map(|f| parking_place(f)).unwrap_or(State::OtherWait);
    match wait {
        // Locks and sleeps of the application are its own even inside a client library's call back.
        State::Sleep | State::GarbageCollection => wait,
        _ => library_wait(inner, wait).unwrap_or(wait),
    }
}

/// Not parked: running, runnable, or inside a system call.
fn on_thread(stack: &[&str]) -> State {
    let is_syscall = |f: &&&str| {
        ["syscall.Syscall", "syscall.RawSyscall", "syscall.syscall", "internal/runtime/syscall."]
            .iter()
            .any(|p| f.starts_with(p))
            || **f == "runtime.cgocall"
    };
    let inner = |prefix: &str| stack.iter().take(10).any(|f| f.starts_with(prefix));
    match stack.iter().take(3).find(is_syscall) {
        Some(_) if inner("os.(*File).") => State::Syscall,
        // Reads and writes of sockets do not block in Go: they are work, not waiting.
        Some(_) if inner("internal/poll.(*FD).") => State::Cpu,
        Some(_) => State::Syscall,
        None => State::Cpu,
    }
}

fn parking_place(function: &str) -> Option<State> {
    let name = function;
    Some(match name {
        "runtime.selectgo" => State::Select,
        "runtime.chansend" | "runtime.chansend1" => State::ChannelSend,
        "runtime.chanrecv" | "runtime.chanrecv1" | "runtime.chanrecv2" => State::ChannelReceive,
        "time.Sleep" => State::Sleep,
        "runtime.gcParkAssist" | "runtime.gcAssistAlloc" => State::GarbageCollection,
        "internal/poll.runtime_pollWait" => State::Network,
        "sync.runtime_notifyListWait" | "sync.runtime_SemacquireWaitGroup" | "sync.runtime_Semacquire" => {
            State::Sync
        }
        _ if name.contains("runtime_SemacquireMutex") || name.contains("runtime_SemacquireRWMutex") => {
            State::Lock
        }
        _ => return None,
    })
}

/// What a client library between the parking place and the application waits for.
fn library_wait(inner: &[&str], wait: State) -> Option<State> {
    // A lock inside a library is still a lock, except where it guards a pool.
    if wait == State::Lock {
        return None;
    }
    let libraries = || inner.iter().take_while(|f| !names::is_application(f));
    // What is said to a server before the first request is said by the same functions as later.
    let dials = libraries().any(|f| is_dial(f));
    if dials { Some(State::Dial) } else { libraries().find_map(|f| library(f)) }
}

/// Whether a function opens a connection, or waits for one that is opened.
pub(super) fn is_dial(function: &str) -> bool {
    DIALS.iter().any(|d| function.starts_with(d))
}

/// Functions below which a connection is opened.
const DIALS: [&str; 11] = [
    "net.(*Dialer).",
    "net.(*sysDialer).",
    "net/http.(*Transport).getConn",
    "net/http.(*Transport).dialConn",
    "crypto/tls.(*Conn).clientHandshake",
    "crypto/tls.(*Conn).handshakeContext",
    "github.com/jackc/pgx/v5/pgconn.connect",
    "github.com/jackc/pgx/v5/pgconn.ConnectConfig",
    "github.com/redis/go-redis/v9.(*baseClient).initConn",
    "github.com/redis/go-redis/v9/internal/pool.(*ConnPool).dialConn",
    "github.com/lib/pq.(*Connector).open",
];

fn library(function: &str) -> Option<State> {
    const POOLS: [&str; 5] = [
        "database/sql.(*DB).conn",
        // As many streams are open as the server allows on one connection.
        "google.golang.org/grpc/internal/transport.(*http2Client).NewStream",
        "github.com/jackc/puddle",
        "github.com/redis/go-redis/v9/internal/pool.(*ConnPool).waitTurn",
        "github.com/jackc/pgx/v5/pgxpool.(*Pool).Acquire",
    ];
    const DATABASES: [&str; 5] = [
        "database/sql.",
        "github.com/jackc/pg",
        "github.com/lib/pq.",
        "github.com/go-sql-driver/",
        "gorm.io/",
    ];
    const CACHES: [&str; 3] = ["github.com/redis/", "github.com/go-redis/", "github.com/gomodule/redigo"];
    const REMOTE: [&str; 7] = [
        "net/http.(*Client).",
        "net/http.(*Transport).",
        "net/http.(*persistConn).roundTrip",
        "net/http.(*bodyEOFSignal).Read",
        "net/http.(*http2clientStream)",
        "google.golang.org/grpc.(*ClientConn).",
        "google.golang.org/grpc.(*clientStream).",
    ];
    let is = |table: &[&str]| table.iter().any(|p| function.starts_with(p));
    if is(&POOLS) {
        Some(State::ConnectionPool)
    } else if is(&DATABASES) {
        Some(State::Database)
    } else if is(&CACHES) {
        Some(State::Cache)
    } else if is(&REMOTE) {
        Some(State::Downstream)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: [&str; 3] =
        ["net/http.HandlerFunc.ServeHTTP", "net/http.serverHandler.ServeHTTP", "net/http.(*conn).serve"];

    fn request(inner: &[&'static str]) -> Vec<&'static str> {
        inner.iter().chain(&SERVER).copied().collect()
    }

    fn states(inner: &[&'static str]) -> (Role, State, String) {
        let stack = request(inner);
        let r = read(&stack);
        (r.role, r.state, r.owner.to_owned())
    }

    #[test]
    fn waits_are_named_by_where_the_runtime_parks() {
        let lock = [
            "runtime.gopark",
            "runtime.goparkunlock",
            "runtime.semacquire1",
            "internal/sync.runtime_SemacquireMutex",
            "internal/sync.(*Mutex).lockSlow",
            "internal/sync.(*Mutex).Lock",
            "sync.(*Mutex).Lock",
            "shop.(*Store).Reload",
            "shop.(*Store).Page",
        ];
        assert_eq!(states(&lock), (Role::Request, State::Lock, "shop.(*Store).Reload".into()));
        let send = ["runtime.gopark", "runtime.chansend", "runtime.chansend1", "shop.(*Pool).Submit"];
        assert_eq!(states(&send).1, State::ChannelSend);
        let running = ["regexp/syntax.(*parser).push", "regexp.compile", "shop.(*Index).Match"];
        assert_eq!(states(&running), (Role::Request, State::Cpu, "shop.(*Index).Match".into()));
    }

    #[test]
    fn a_trace_says_what_a_wait_is_for() {
        let at = |inner: &[&'static str], reason| {
            let stack = request(inner);
            let read = waiting(&stack, reason);
            (read.role, read.state, read.owner.to_owned())
        };
        let lock = ["internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "shop.(*Store).Page"];
        assert_eq!(at(&lock, "sync"), (Role::Request, State::Lock, "shop.(*Store).Page".into()));
        let pool = ["database/sql.(*DB).conn", "shop.query"];
        assert_eq!(at(&pool, "select").1, State::ConnectionPool);
        assert_eq!(at(&["shop.work"], "chan receive").1, State::ChannelReceive);
        assert_eq!(at(&["shop.alloc"], "GC mark assist wait for work").1, State::GarbageCollection);
        let idle = ["internal/poll.(*FD).Read", "bufio.(*Reader).Peek", "net/http.(*conn).serve"];
        assert_eq!(waiting(&idle, "network").role, Role::Idle);
    }

    #[test]
    fn a_client_library_says_what_the_wait_is_for() {
        let call = [
            "runtime.gopark",
            "runtime.selectgo",
            "net/http.(*persistConn).roundTrip",
            "net/http.(*Transport).roundTrip",
            "net/http.(*Client).do",
            "shop.(*Client).Related",
        ];
        assert_eq!(states(&call), (Role::Request, State::Downstream, "shop.(*Client).Related".into()));
        let pool = ["runtime.gopark", "runtime.selectgo", "database/sql.(*DB).conn", "shop.query"];
        assert_eq!(states(&pool).1, State::ConnectionPool);
        let stream = [
            "runtime.gopark",
            "runtime.selectgo",
            "google.golang.org/grpc/internal/transport.(*http2Client).NewStream",
            "google.golang.org/grpc.(*ClientConn).Invoke",
            "shop.ask",
        ];
        assert_eq!(states(&stream).1, State::ConnectionPool, "the server allows no more streams");
        let sql = [
            "runtime.gopark",
            "runtime.netpollblock",
            "internal/poll.runtime_pollWait",
            "net.(*conn).Read",
            "github.com/lib/pq.(*conn).recv",
            "database/sql.(*DB).QueryContext",
            "shop.query",
        ];
        assert_eq!(states(&sql).1, State::Database);
    }

    #[test]
    fn a_connection_that_is_opened_is_told_from_one_that_is_used() {
        let read =
            ["runtime.gopark", "runtime.netpollblock", "internal/poll.runtime_pollWait", "net.(*conn).Read"];
        let hello = [
            "github.com/redis/go-redis/v9.(*baseClient)._process",
            "github.com/redis/go-redis/v9.(*baseClient).initConn",
            "github.com/redis/go-redis/v9.(*Client).Get",
            "shop.visit",
        ];
        let all: Vec<&'static str> = read.iter().chain(&hello).copied().collect();
        assert_eq!(states(&all), (Role::Request, State::Dial, "shop.visit".into()));
        let used: Vec<&'static str> = all.iter().copied().filter(|f| !f.ends_with("initConn")).collect();
        assert_eq!(states(&used).1, State::Cache);
        let waits = ["runtime.gopark", "runtime.selectgo", "net/http.(*Transport).getConn", "shop.call"];
        assert_eq!(states(&waits).1, State::Dial);
    }

    #[test]
    fn files_block_and_sockets_do_not() {
        let write = ["internal/runtime/syscall.Syscall6", "syscall.write", "internal/poll.(*FD).Write"];
        let with = |file: &'static str| {
            let all: Vec<&'static str> = write.iter().copied().chain([file, "shop.note"]).collect();
            states(&all).1
        };
        assert_eq!(with("os.(*File).Write"), State::Syscall);
        assert_eq!(with("net.(*netFD).Write"), State::Cpu);
    }

    #[test]
    fn idle_connections_and_observers_are_no_requests() {
        let idle = [
            "runtime.gopark",
            "runtime.netpollblock",
            "internal/poll.runtime_pollWait",
            "internal/poll.(*FD).Read",
            "net.(*conn).Read",
            "net/http.(*connReader).Read",
            "bufio.(*Reader).Peek",
            "net/http.(*conn).serve",
        ];
        assert_eq!(read(&idle).role, Role::Idle);
        let pprof = request(&["runtime/pprof.writeGoroutine", "net/http/pprof.handler.ServeHTTP"]);
        assert_eq!(read(&pprof).role, Role::Observer);
        let counted = request(&[
            "shop.(*Shop).page",
            "github.com/prometheus/client_golang/prometheus/promhttp.InstrumentHandlerCounter.func1",
        ]);
        assert_eq!(read(&counted).role, Role::Request, "an instrumented handler is the application's");
        let worker = ["runtime.gopark", "time.Sleep", "shop.(*Pool).work", "shop.(*Pool).start.gowrap1"];
        assert_eq!(read(&worker).role, Role::Background);
    }
}
