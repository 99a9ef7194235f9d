//! Function names: package, receiver, and whether they belong to the application.
//!
//! Go names look like `example.com/shop/internal/catalogue.(*Store).Reload`, Rust ones like
//! `loadprof::demo::pricing::reprice`. A profile does not say which module is the application, so what is
//! left after the standard library, the language runtime and well-known frameworks counts as it.

/// First path elements of Go's standard library.
const GO_STD: &[&str] = &[
    "archive",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "vendor",
    "weak",
];

/// Go modules that carry requests but are not the application.
const GO_FRAMEWORKS: &[&str] = &[
    "github.com/gin-gonic/",
    "github.com/labstack/echo",
    "github.com/go-chi/",
    "github.com/gorilla/",
    "github.com/gofiber/",
    "github.com/valyala/",
    "github.com/julienschmidt/httprouter",
    "github.com/prometheus/",
    "google.golang.org/",
    "go.opentelemetry.io/",
    "github.com/jackc/",
    "github.com/lib/pq",
    "github.com/go-sql-driver/",
    "gorm.io/",
    "github.com/redis/",
    "github.com/go-redis/",
    "github.com/gomodule/redigo",
    "golang.org/x/",
    "go.uber.org/",
    "github.com/sirupsen/",
    "github.com/rs/",
    "github.com/uptrace/",
    "github.com/jmoiron/",
    "github.com/bytedance/",
    "github.com/json-iterator/",
    "github.com/goccy/",
    "github.com/ugorji/",
    "github.com/felixge/httpsnoop",
];

/// Rust crates that carry requests but are not the application.
const RUST_FRAMEWORKS: &[&str] = &[
    "std",
    "core",
    "alloc",
    "tokio",
    "tokio_util",
    "hyper",
    "hyper_util",
    "axum",
    "axum_core",
    "tower",
    "tower_service",
    "tower_http",
    "tower_layer",
    "futures",
    "futures_util",
    "futures_core",
    "mio",
    "h2",
    "http",
    "http_body",
    "http_body_util",
    "bytes",
    "serde",
    "serde_json",
    "serde_core",
    "pprof",
    "backtrace",
    "parking_lot",
    "parking_lot_core",
    "hashbrown",
    "matchit",
    "itoa",
    "ryu",
    "memchr",
    "tracing",
    "regex",
    "regex_automata",
    "rustls",
    "actix_web",
    "actix_rt",
    "rayon",
    "rayon_core",
    "crossbeam_channel",
    "crossbeam_utils",
    "crossbeam_epoch",
    "actix_http",
    "actix_server",
    "actix_service",
    "warp",
    "rocket",
    "tonic",
    "prost",
    "reqwest",
    "httparse",
    "sqlx",
    "sqlx_core",
    "sqlx_postgres",
    "sqlx_mysql",
    "diesel",
    "tokio_postgres",
    "postgres_protocol",
    "redis",
    "deadpool",
    "bb8",
    "r2d2",
    "tracing_core",
    "tracing_subscriber",
    "log",
    "slab",
    "smallvec",
    "indexmap",
    "opentelemetry",
    "opentelemetry_sdk",
];

/// Whether a name comes from a language with `::` paths (Rust, C++).
pub(super) fn is_path_style(function: &str) -> bool {
    function.contains("::")
}

/// Package of a Go function (`net/http`), crate of a Rust one (`tokio`).
pub(super) fn package(function: &str) -> &str {
    if is_path_style(function) {
        return crate_of(function);
    }
    let slash = function.rfind('/').map_or(0, |i| i + 1);
    let dot = function[slash..].find('.').map_or(function.len(), |i| slash + i);
    &function[..dot]
}

/// `<T as Trait>::f` belongs to the crate of T, as far as its name tells.
fn crate_of(function: &str) -> &str {
    let name = function.trim_start_matches(['<', '&', '(']);
    let name = name.strip_prefix("dyn ").unwrap_or(name);
    let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
    &name[..end]
}

/// Package and receiver type: what two methods of one type share.
pub(super) fn receiver(function: &str) -> &str {
    if is_path_style(function) {
        return function.rsplit_once("::").map_or(function, |(scope, _)| scope);
    }
    let start = package(function).len();
    match function[start..].find(").") {
        Some(i) if function[start..].starts_with(".(") => &function[..start + i + 1],
        _ => package(function),
    }
}

/// A closure's name without its `.func1.2` or `::{{closure}}` tails: the function people wrote.
pub(super) fn enclosing(function: &str) -> &str {
    if is_path_style(function) {
        return function.split("::{{closure}}").next().unwrap_or(function);
    }
    let after = package(function).len();
    let mut end = function.len();
    while let Some(dot) = function[after..end].rfind('.').map(|i| after + i) {
        let tail = &function[dot + 1..end];
        let numbered = tail.bytes().all(|b| b.is_ascii_digit());
        let closure = tail
            .strip_prefix("func")
            .or_else(|| tail.strip_prefix("gowrap"))
            .or_else(|| tail.strip_prefix("deferwrap"))
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if dot == after || tail.is_empty() || !(numbered || closure) {
            break;
        }
        end = dot;
    }
    &function[..end]
}

/// Whether a function belongs to the application.
pub(super) fn is_application(function: &str) -> bool {
    if is_path_style(function) {
        let name = crate_of(function);
        // An inlined generic has no path: `call_once<(), std::thread::..>`.
        let after = function.split_once(name).map_or("", |(_, after)| after);
        let has_path = function.starts_with(['<', '(']) || after.starts_with("::") || after.starts_with('(');
        return has_path && !name.is_empty() && !RUST_FRAMEWORKS.contains(&name);
    }
    // Assembly and C symbols have neither a package nor a path.
    if !function.contains('.') {
        return false;
    }
    !is_go_std(function) && !GO_FRAMEWORKS.iter().any(|p| function.starts_with(p))
}

fn is_go_std(function: &str) -> bool {
    let package = package(function);
    let first = package.split('/').next().unwrap_or(package);
    // Go's linker calls hash and comparison helpers `type:.eq.T`.
    GO_STD.contains(&first) || first.starts_with("type:")
}

/// Whether a function is the memory manager's: allocation, zeroing on allocation, collection.
pub(super) fn is_memory_management(function: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "runtime.mallocgc",
        "runtime.gcBgMarkWorker",
        "runtime.gcAssist",
        "runtime.gcDrain",
        "runtime.bgsweep",
        "runtime.bgscavenge",
        "runtime.gcStart",
        "runtime.gcMarkTermination",
        "runtime.gcMarkDone",
        "runtime.(*mheap)",
        "runtime.(*mcache)",
        "runtime.(*mcentral)",
        "runtime.sweepone",
        "runtime.(*sweepLocked)",
        "runtime.gcParkAssist",
        "runtime.scanobject",
        "runtime.greyobject",
        "runtime.(*pageAlloc)",
        "runtime.(*scavengerState)",
        "runtime.gcFlushBgCredit",
    ];
    PREFIXES.iter().any(|p| function.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_receivers_of_go_and_rust_names() {
        let reload = "example.com/shop/internal/catalogue.(*Store).Reload";
        assert_eq!(package(reload), "example.com/shop/internal/catalogue");
        assert_eq!(receiver(reload), "example.com/shop/internal/catalogue.(*Store)");
        assert_eq!(receiver("main.handle"), "main");
        assert_eq!(package("loadprof::demo::pricing::reprice"), "loadprof");
        assert_eq!(package("<alloc::vec::Vec<T> as core::fmt::Debug>::fmt"), "alloc");
        assert_eq!(receiver("a::b::Stock::audit"), "a::b::Stock");
    }

    #[test]
    fn closures_belong_to_the_function_around_them() {
        assert_eq!(enclosing("main.(*Pool).start.func1.2"), "main.(*Pool).start");
        assert_eq!(enclosing("main.(*Hub).follow.gowrap1"), "main.(*Hub).follow");
        assert_eq!(enclosing("main.func1"), "main.func1", "a package-level closure keeps its name");
        assert_eq!(enclosing("a::b::{{closure}}::{{closure}}"), "a::b");
    }

    #[test]
    fn the_application_is_what_is_left() {
        for app in [
            "main.main",
            "example.com/shop/internal/x.F",
            "shop/orders.(*Pool).Submit",
            "my::f",
            "<my::T as X>::f",
            "&my::f",
            "(\u{e9}::f",
            "(anonymous namespace)::run",
            "handle(std::string const&)",
        ] {
            assert!(is_application(app), "{app}");
        }
        for other in [
            "net/http.(*conn).serve",
            "runtime.gopark",
            "github.com/gin-gonic/gin.(*Context).Next",
            "type:.eq.main.T",
            "tokio::runtime::task::poll",
            "aeshashbody",
            "internal/sync.(*Mutex).Lock",
            "core::ops::function::FnOnce::call_once",
            "call_once<(), std::thread::spawn_unchecked::{closure#1}>",
            "run<tokio::runtime::blocking::schedule::BlockingSchedule>",
        ] {
            assert!(!is_application(other), "{other}");
        }
    }
}
